//! Every function of the contract that reaches the outside world asks first. What the
//! functions are comes from `wit/`, so that a new one cannot be forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use tessallite_up::contract::{Refusal, errors};
use tessallite_up::engine::Nothing;
use tessallite_up::plugin::{BUNDLED, Caller, Compiler, Limits, Runtime, Source};
use tessallite_up::policy::{self, Grants, Policy};
use wit_parser::{Function, Resolve, Type, TypeDefKind, TypeId};

use crate::plugin::Bench;
use crate::source::{rust_files, without_tests};
use tessallite_up_tests::place;

/// Those that have something to gate. `host` does not reach outside, the others have no
/// functions, or are the plugin's.
const INTERFACES: [&str; 4] = ["docker", "gcloud", "http", "sql"];

struct Contract {
    resolve: Resolve,
    interfaces: Vec<(String, wit_parser::InterfaceId)>,
}

impl Contract {
    fn read() -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(place::root().join("wit")).unwrap();
        let interfaces = &resolve.packages[package].interfaces;
        let interfaces = interfaces.iter().map(|(name, id)| (name.clone(), *id)).collect();
        Self { resolve, interfaces }
    }

    fn functions(&self) -> impl Iterator<Item = (String, &Function)> {
        let gated = self.interfaces.iter().filter(|(name, _)| INTERFACES.contains(&name.as_str()));
        gated.flat_map(|(interface, id)| {
            let functions = self.resolve.interfaces[*id].functions.values();
            functions.map(move |function| (format!("{interface}.{}", function.name), function))
        })
    }

    /// The functions whose documentation begins with this word.
    fn documented(&self, word: &str) -> BTreeSet<String> {
        let begins = |function: &Function| {
            function
                .docs
                .contents
                .as_deref()
                .is_some_and(|docs| docs.trim_start().starts_with(word))
        };
        self.functions().filter(|(_, f)| begins(f)).map(|(name, _)| name).collect()
    }

    fn all(&self) -> BTreeSet<String> {
        self.functions().map(|(name, _)| name).collect()
    }

    /// The type behind the names that `use` gives it.
    fn origin(&self, id: TypeId) -> TypeId {
        match self.resolve.types[id].kind {
            TypeDefKind::Type(Type::Id(next)) => self.origin(next),
            _ => id,
        }
    }

    /// What the cases of the variant `effect` carry.
    fn effects(&self) -> Vec<TypeId> {
        let (_, effects) = self.interfaces.iter().find(|(name, _)| name == "effects").unwrap();
        let effect = self.resolve.interfaces[*effects].types["effect"];
        let TypeDefKind::Variant(effect) = &self.resolve.types[effect].kind else {
            panic!("effect is a variant")
        };
        let payload = |case: &wit_parser::Case| match case.ty {
            Some(Type::Id(id)) => self.origin(id),
            other => panic!("the effect {} carries {other:?}", case.name),
        };
        effect.cases.iter().map(payload).collect()
    }
}

#[test]
fn every_function_is_said_to_be_a_read_or_a_change() {
    let contract = Contract::read();
    let (reads, changes) = (contract.documented("Read."), contract.documented("Change."));
    assert!(reads.is_disjoint(&changes));
    assert_eq!(&reads | &changes, contract.all());
    assert!(contract.all().len() >= 26, "the contract was not read whole");
}

#[test]
fn each_effect_is_the_argument_of_one_change_and_of_no_read() {
    let contract = Contract::read();
    let changes = contract.documented("Change.");
    let mut effects = contract.effects();
    for (name, function) in contract.functions().filter(|(name, _)| changes.contains(name)) {
        let [change] = function.params.as_slice() else { panic!("{name} takes one record") };
        let Type::Id(id) = change.ty else { panic!("{name} takes one record") };
        let known = effects.iter().position(|effect| *effect == contract.origin(id));
        effects.remove(known.unwrap_or_else(|| panic!("{name} has no effect of its own")));
    }
    assert!(effects.is_empty(), "{} effects have no function", effects.len());
}

/// In the code of the capabilities, each read is named once where it asks, and each change
/// is made an effect once.
#[test]
fn each_function_asks_in_one_place() {
    let contract = Contract::read();
    // `carry_out` goes through the functions themselves.
    let code: String = rust_files("host/src/capability")
        .iter()
        .filter(|file| !file.ends_with("carry_out.rs"))
        .map(|file| without_tests(&fs::read_to_string(file).unwrap()))
        .collect();
    for read in contract.documented("Read.") {
        let asks = code.matches(&format!("{read:?}")).count();
        assert_eq!(asks, 1, "{read} asks in {asks} places");
    }
    let changes = contract.documented("Change.");
    let words = fs::read_to_string(place::root().join("host/src/contract/describe.rs")).unwrap();
    for change in changes {
        // "Self::DockerStop(_) => \"docker.stop\"" tells the case.
        let line = words.lines().find(|line| line.contains(&format!("=> {change:?}")));
        let line = line.unwrap_or_else(|| panic!("no effect is named {change}"));
        let case = line.trim().trim_start_matches("Self::").split('(').next().unwrap();
        let asks = code.matches(&format!("Effect::{case}(change")).count();
        assert_eq!(asks, 1, "{change} is made an effect in {asks} places");
    }
}

/// A grant can name each function, and without one it is denied.
#[test]
fn each_function_can_be_granted_and_is_not_by_itself() {
    let contract = Contract::read();
    let of = |interface: &str, functions: BTreeSet<String>| -> BTreeSet<String> {
        let all = functions.into_iter();
        all.filter_map(|f| f.strip_prefix(interface)?.strip_prefix('.').map(str::to_owned))
            .collect()
    };
    let known = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (reads, changes) = (contract.documented("Read."), contract.documented("Change."));
    assert_eq!(of("docker", reads.clone()), known(policy::DOCKER_READS));
    assert_eq!(of("docker", changes.clone()), known(policy::DOCKER_CHANGES));
    assert_eq!(of("gcloud", reads.clone()), known(policy::GCLOUD_READS));
    assert_eq!(of("gcloud", changes), known(policy::GCLOUD_CHANGES));
    assert_eq!(of("sql", reads), known(policy::SQL_READS));
    for function in contract.all() {
        let mut policy = Policy::new("p", [function.as_str()], Grants::default());
        assert_eq!(policy.lacking().collect::<Vec<_>>(), [function.as_str()]);
        policy.learn_requests();
        // Statements are granted word for word: no request tells them.
        let still = policy.lacking().count();
        assert_eq!(still, usize::from(function == "sql.execute"), "{function}");
    }
}

/// The procedures that come with the program have exactly what they need.
#[tokio::test]
async fn bundled_procedures_are_granted_what_they_ask_for_and_no_more() {
    let contract = Contract::read();
    for bundled in BUNDLED {
        let runtime = Runtime::new(None, Limits::default(), Compiler::InProcess).unwrap();
        let component = runtime.load(&Source::Bundled(bundled.name)).await.unwrap();
        let caller = Caller { services: None, conduct: Arc::new(Nothing), run: String::new() };
        let description = component.describe(&caller).await.unwrap();
        let asked: BTreeSet<String> =
            description.requests.into_iter().map(|request| request.function).collect();
        let granted = |function: &String| {
            let grants = policy::bundled(bundled.name).unwrap();
            Policy::new(bundled.name, [function.as_str()], grants).lacking().next().is_none()
        };
        let granted: BTreeSet<String> = contract.all().into_iter().filter(granted).collect();
        // `read` stands for all of them.
        let reads =
            |function: &str| policy::SQL_READS.contains(&function.trim_start_matches("sql."));
        let more: Vec<&String> = granted.difference(&asked).filter(|f| !reads(f)).collect();
        assert!(more.is_empty(), "{}: granted, and not asked for: {more:?}", bundled.name);
        let less: Vec<&String> = asked.difference(&granted).collect();
        assert!(less.is_empty(), "{}: asked for, and not granted: {less:?}", bundled.name);
    }
}

/// Through a real component: what the witness denies, the plugin gets as `denied`.
#[tokio::test]
async fn each_function_is_denied_where_conduct_denies_it() {
    let contract = Contract::read();
    let reads = contract.documented("Read.");
    let bench = Bench::hostile(Limits::default());
    for function in contract.all() {
        let answer = bench.make_plan(&format!("make-plan:call:{function}")).await.unwrap();
        let Err(Refusal::Error(errors::Error::Denied(text))) = answer else {
            panic!("{function}: {answer:?}")
        };
        assert!(text.len() > 20, "{function} is denied without a reason: {text:?}");
        let asked = bench.witness.asked();
        if reads.contains(&function) {
            assert_eq!(asked, [function]);
        } else if asked.is_empty() {
            // Without an installation a change is denied even earlier.
            assert!(text.contains("no installation"), "{text}");
        } else {
            assert_eq!(asked, [function]);
        }
    }
}
