//! Why a service is not well.

use console::strip_ansi_codes;

use crate::report::event::Diagnosis;
use crate::text::one_line;

/// State, exit code, health log and the last lines of the log of each container.
pub fn diagnosis(service: &str, containers: &[Diagnosis]) -> String {
    let mut lines = vec![format!("Diagnosis of {}", one_line(service))];
    if containers.is_empty() {
        lines.push("  It has no container.".into());
    }
    for container in containers {
        lines.push(format!("  {}: {}", one_line(&container.container), condition(container)));
        health(&mut lines, container);
        log(&mut lines, container);
    }
    lines.join("\n") + "\n"
}

fn condition(container: &Diagnosis) -> String {
    let mut text = one_line(&container.state);
    if let Some(code) = container.exit_code {
        text += &format!(", exit code {code}");
    }
    if container.out_of_memory {
        text += ", out of memory";
    }
    match container.restarts {
        0 => {}
        1 => text += ", restarted once",
        n => text += &format!(", restarted {n} times"),
    }
    text
}

fn health(lines: &mut Vec<String>, container: &Diagnosis) {
    if container.health_log.is_empty() {
        return;
    }
    lines.push("    Its health checks, the last one last:".into());
    for result in &container.health_log {
        let mut output = result.output.lines().filter(|line| !line.trim().is_empty());
        let first = plain(output.next().unwrap_or("(no output)"));
        lines.push(format!("      exit code {}: {first}", result.exit_code));
        lines.extend(output.map(|line| format!("        {}", plain(line))));
    }
}

fn log(lines: &mut Vec<String>, container: &Diagnosis) {
    if container.log.is_empty() {
        lines.push("    Its log is empty.".into());
        return;
    }
    lines.push("    The last lines of its log:".into());
    lines.extend(container.log.iter().map(|line| format!("      {}", plain(line))));
}

/// Services colour their logs.
fn plain(line: &str) -> String {
    one_line(&strip_ansi_codes(line))
}
