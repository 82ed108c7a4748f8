//! Whether the Cloud SQL instance can be backed up.

use tessallite_up_sdk::gcloud::Instance;

use crate::survey::Database;

/// Why a backup could not be taken now.
pub fn not_backed_up(name: &str, database: &Database) -> Vec<String> {
    let mut problems = match &database.instance {
        Ok(instance) => not_usable(instance),
        Err(error) => vec![format!("the Cloud SQL instance {name}: {}", error.text())],
    };
    match &database.backups {
        Ok(backups) => {
            for backup in backups.iter().filter(|backup| is_under_way(&backup.status)) {
                problems.push(format!(
                    "a backup of {name} is {} since {}: wait for it; gcloud sql backups describe \
                     {} --instance {name}",
                    backup.status, backup.started_at, backup.id
                ));
            }
        }
        Err(error) => problems.push(format!("the backups of {name}: {}", error.text())),
    }
    problems
}

fn is_under_way(status: &str) -> bool {
    matches!(status, "ENQUEUED" | "RUNNING" | "OVERDUE")
}

fn not_usable(instance: &Instance) -> Vec<String> {
    let mut problems = Vec::new();
    let name = &instance.name;
    if instance.state != "RUNNABLE" {
        problems.push(format!(
            "the Cloud SQL instance {name} is {}, and has to be RUNNABLE to be backed up: gcloud \
             sql instances describe {name}",
            instance.state
        ));
    }
    if instance.activation_policy != "ALWAYS" {
        problems.push(format!(
            "the Cloud SQL instance {name} is not kept running (activation policy {}): gcloud sql \
             instances patch {name} --activation-policy ALWAYS",
            instance.activation_policy
        ));
    }
    if let Some(operation) = &instance.under_way {
        problems.push(format!(
            "the Cloud SQL instance {name} is busy with {operation}: wait for it; gcloud sql \
             operations list --instance {name}"
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessallite_up_sdk::Error;
    use tessallite_up_sdk::gcloud::Backup;

    fn instance() -> Instance {
        Instance {
            name: "db".into(),
            state: "RUNNABLE".into(),
            activation_policy: "ALWAYS".into(),
            database_version: "POSTGRES_15".into(),
            under_way: None,
            replicas: Vec::new(),
        }
    }

    #[test]
    fn an_instance_has_to_run_and_to_be_idle() {
        assert!(not_usable(&instance()).is_empty());
        let stopped = Instance {
            state: "SUSPENDED".into(),
            activation_policy: "NEVER".into(),
            under_way: Some("UPDATE (operation 7)".into()),
            ..instance()
        };
        let problems = not_usable(&stopped).join("\n");
        assert!(problems.contains("SUSPENDED") && problems.contains("--activation-policy ALWAYS"));
        assert!(problems.contains("busy with UPDATE (operation 7)"));
    }

    #[test]
    fn a_backup_that_is_running_is_waited_for_and_an_old_failure_is_not() {
        let backup = |status: &str| Backup {
            id: "7".into(),
            status: status.into(),
            description: String::new(),
            started_at: "2026-11-26T18:00:00Z".into(),
        };
        let database =
            |status| Database { instance: Ok(instance()), backups: Ok(vec![backup(status)]) };
        assert!(not_backed_up("db", &database("RUNNING"))[0].contains("is RUNNING since 2026"));
        assert!(not_backed_up("db", &database("FAILED")).is_empty());
        let unreadable = Database {
            instance: Err(Error::Failed("no permission".into())),
            backups: Err(Error::Failed("none either".into())),
        };
        assert_eq!(not_backed_up("db", &unreadable).len(), 2);
    }
}
