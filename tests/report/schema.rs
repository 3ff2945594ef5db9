//! The lines of a run against the schema that travels with kvspec.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use kvspec::builtin::memory_target;
use kvspec::event::RunEvent;
use kvspec::mutants;
use kvspec::plan::Plan;
use kvspec::report::Reporter;
use kvspec::report::json::{JSON_SCHEMA, Json, SCHEMA as VERSION};
use kvspec::runner::Settings;
use kvspec::scenario::{self, Scenario};
use kvspec::store::ErrorKind;
use kvspec::suite;
use kvspec::target::{Target, Unavailable};
use kvspec::transcript::End;
use kvspec::verdict::Verdict;
use rstest::rstest;
use serde_json::{Value, json};

use super::{outcomes, recorded, scenarios, values};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(JSON_SCHEMA).unwrap());
static LINE: LazyLock<Validator> = LazyLock::new(|| validator(&SCHEMA));
static RUN: LazyLock<Vec<Value>> = LazyLock::new(|| values(&recorded()));

/// A compiled schema.
pub(super) struct Validator {
    schemas: Schemas,
    root: SchemaIndex,
}

impl Validator {
    /// Says what is wrong with a value.
    pub(super) fn validate(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.root).map_err(|error| format!("{value}: {error:#}"))
    }

    pub(super) fn is_valid(&self, value: &Value) -> bool {
        self.validate(value).is_ok()
    }
}

/// Compiles a schema, which is held against the draft's own schema for that.
pub(super) fn validator(schema: &Value) -> Validator {
    const AT: &str = "memory:///schema.json";
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.add_resource(AT, schema.clone()).expect("it is JSON");
    let root = compiler.compile(AT, &mut schemas).expect("it is a schema");
    Validator { schemas, root }
}

/// Holds every line against the schema, and gives them.
pub fn checked(json: &[u8]) -> Vec<Value> {
    let lines = values(json);
    for line in &lines {
        LINE.validate(line).unwrap();
    }
    lines
}

fn suite() -> Vec<Arc<Scenario>> {
    scenario::embedded().expect("the suite is whole").into_iter().map(Arc::new).collect()
}

fn run_on(target: Target, scenarios: &[Arc<Scenario>], settings: &Settings) -> Vec<Value> {
    let mut plan = Plan::new(vec![target], scenarios);
    plan.open();
    let mut json = Vec::new();
    let mut report = Json::new(&mut json);
    suite::run(&plan, settings, None, &mut |event| report.take(&event)).expect("it is recorded");
    checked(&json)
}

/// What the `verdict` of each case is.
fn kinds(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line["verdict"]["kind"].as_str()).collect()
}

/// The names of all answers in these lines.
fn answers(lines: &[Value]) -> BTreeSet<String> {
    let entries = lines.iter().filter_map(|line| line.pointer("/transcript/entries")?.as_array());
    let name = |entry: &Value| match &entry["answer"] {
        Value::Object(answer) => answer.keys().next().cloned(),
        answer => answer.as_str().map(String::from),
    };
    entries.flatten().filter_map(name).collect()
}

#[test]
fn a_run_is_valid() {
    let lines = checked(&recorded());
    assert_eq!(kinds(&lines), ["errored", "failed", "known", "passed", "skipped"].into());
}

#[test]
fn the_whole_suite_is_valid() {
    let lines = run_on(memory_target(), &suite(), &Settings::default());
    assert!(lines.len() > suite().len());
}

/// Stores broken on purpose answer what a good one never does: so every kind of answer is seen.
#[test]
fn what_mutants_answer_is_valid() {
    // The ones that alone give certain answers: a panic, and no TTL where the script asks for the end of one.
    const FIRST: [&str; 2] = ["closed-watch-panics", "create-silent"];
    let (mut left, mut seen) = (suite(), BTreeSet::new());
    let mut mutants = mutants::all();
    mutants.sort_by_key(|mutant| !FIRST.contains(&mutant.name));
    for mutant in mutants {
        // Each scenario once, on the first mutant of a clause of its own.
        let names_clause = |one: &Arc<Scenario>| one.clauses.iter().any(|id| id == mutant.clause);
        let own: Vec<_> = left.extract_if(.., |one| names_clause(one)).collect();
        if !own.is_empty() {
            seen.append(&mut answers(&run_on(Target::new(mutant), &own, &Settings::default())));
        }
    }
    let [done, others] = SCHEMA["$defs"]["answer"]["oneOf"].as_array().unwrap().as_slice() else {
        panic!("an answer is a word or an object");
    };
    let names = others["properties"].as_object().unwrap().keys().map(String::as_str);
    let known: BTreeSet<_> = names.chain(done["const"].as_str()).map(String::from).collect();
    // Runs that schema 1 recorded are written again with it.
    seen.insert("race".into());
    assert_eq!(seen, known);
}

#[test]
fn a_target_that_is_not_there_is_valid() {
    let gone = || Unavailable { reason: "no server".into(), story: "none".into(), is_named: false };
    let target = Target::opened_by("gone", move || Err(gone()));
    let lines = run_on(target, &scenarios(), &Settings::default());
    assert_eq!((&lines[1]["about"], &lines[1]["missing"]), (&Value::Null, &json!("no server")));
    assert_eq!(kinds(&lines), ["skipped"].into());
}

#[test]
fn an_interrupted_run_is_valid() {
    let settings = Settings::default();
    settings.abort.throw();
    let lines = run_on(memory_target(), &scenarios(), &settings);
    assert_eq!(lines.last().unwrap()["ended_early"], "interrupted");
}

/// The ends and verdicts that take a bad server, or a slow machine, to come about.
#[test]
fn every_end_and_verdict_is_valid() {
    let why = || String::from("why");
    let ends = [
        End::Finished,
        End::LeftBehind(why()),
        End::Collapsed(why()),
        End::Broken(why()),
        End::Lost(why()),
        End::Aborted,
    ];
    let verdicts = [Verdict::Stale(why()), Verdict::Unclear(why()), Verdict::Errored(why())];
    let outcomes = outcomes(&recorded());
    let mut outcome = outcomes.into_iter().find(|one| one.transcript.is_some()).unwrap();
    let mut json = Vec::new();
    for (end, verdict) in ends.iter().flat_map(|end| verdicts.iter().map(move |one| (end, one))) {
        outcome.transcript.as_mut().unwrap().end = end.clone();
        outcome.verdict = verdict.clone();
        Json::new(&mut json).take(&RunEvent::CaseFinished { outcome: &outcome }).unwrap();
    }
    assert_eq!(checked(&json).len(), ends.len() * verdicts.len());
}

#[test]
fn every_kind_of_error_is_in_the_schema() {
    let kinds = SCHEMA["$defs"]["error"]["properties"]["kind"]["enum"].as_array().unwrap();
    let read = |kind: &Value| serde_json::from_value::<ErrorKind>(kind.clone());
    assert!(kinds.iter().all(|kind| read(kind).is_ok()), "a kind that is none");
    assert_eq!(kinds.len(), ErrorKind::ALL.len(), "a kind is missing");
}

#[test]
fn the_schema_names_its_version() {
    assert_eq!(SCHEMA["properties"]["schema"]["const"], VERSION);
    assert_eq!(SCHEMA["$id"], format!("urn:kvspec:run:{VERSION}"));
}

/// A line of the run, by its event and, where it is the end of a case, the scenario on the memory store.
fn line(event: &str, scenario: &str) -> Value {
    let is_it = |line: &&Value| {
        line["event"] == event
            && line["backend"] != "broken"
            && (scenario.is_empty() || line["scenario"]["name"] == scenario)
    };
    RUN.iter().find(is_it).expect("the run has such a line").clone()
}

/// Puts a field of an object in another's place, or takes it away.
fn put(line: &mut Value, place: &str, field: Option<Value>) {
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    let object = line.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    match field {
        Some(field) => object.insert(name.into(), field),
        None => Some(object.remove(name).expect("it was there")),
    };
}

const ANSWER: &str = "/transcript/entries/3/answer";

#[rstest]
#[case::another_version("started", "", "/schema", Some(json!(1)))]
#[case::unknown_event("started", "", "/event", Some(json!("begun")))]
#[case::another_events_fields("started", "", "/event", Some(json!("finished")))]
#[case::unknown_field("started", "", "/kvspek", Some(json!("0.1.0")))]
#[case::missing_field("started", "", "/suite", None)]
#[case::no_hash("started", "", "/suite", Some(json!("many")))]
#[case::negative_count("started", "", "/cases", Some(json!(-1)))]
#[case::there_and_missing("target_started", "", "/missing", Some(json!("no server")))]
#[case::no_capabilities("target_started", "", "/capabilities", Some(Value::Null))]
#[case::missing_limit("target_started", "", "/capabilities/limits/max_value", None)]
#[case::whole_scenario("case_started", "", "/scenario", Some(json!({"name": "core/pass"})))]
#[case::no_known("case_finished", "core/pass", "/known", None)]
#[case::time_as_text("case_finished", "core/pass", "/took", Some(json!("1s")))]
#[case::part_of_a_nanosecond("case_finished", "core/pass", "/took", Some(json!(0.5)))]
#[case::unknown_verdict("case_finished", "core/pass", "/verdict/kind", Some(json!("pass")))]
#[case::reason_of_a_pass("case_finished", "core/pass", "/verdict/reason", Some(json!("luck")))]
#[case::pass_without_transcript("case_finished", "core/pass", "/transcript", Some(Value::Null))]
#[case::unknown_end("case_finished", "core/pass", "/transcript/end", Some(json!("done")))]
#[case::end_without_why("case_finished", "core/pass", "/transcript/end", Some(json!("lost")))]
#[case::no_time("case_finished", "core/pass", "/transcript/entries/3/at", None)]
#[case::no_answer("case_finished", "core/pass", ANSWER, None)]
#[case::answer_of_two("case_finished", "core/pass", ANSWER, Some(json!({"value": "v", "keys": []})))]
#[case::answer_of_none("case_finished", "core/pass", ANSWER, Some(json!({})))]
#[case::mistyped_answer("case_finished", "core/pass", ANSWER, Some(json!({"valu": "v"})))]
#[case::number_as_bytes("case_finished", "core/pass", ANSWER, Some(json!({"value": 5})))]
#[case::no_base64("case_finished", "core/pass", ANSWER, Some(json!({"value": {"base64": "a"}})))]
#[case::unknown_error(
    "case_finished",
    "core/pass",
    ANSWER,
    Some(json!({"error": {"kind": "lease lost", "message": ""}}))
)]
#[case::half_a_revision("case_finished", "core/pass", ANSWER, Some(json!({"revision": [{"name": "m", "revision": 1}]})))]
#[case::no_mismatch("case_finished", "core/fail", "/verdict/mismatch", None)]
#[case::line_zero("case_finished", "core/fail", "/verdict/mismatch/line", Some(json!(0)))]
#[case::no_reason("case_finished", "directory/skip", "/verdict/reason", None)]
#[case::listed_without_line("case_finished", "core/known", "/known/line", None)]
#[case::missing_tally("target_finished", "", "/tally/unfinished", None)]
#[case::skipped_for_nothing("target_finished", "", "/tally/skipped/x", Some(json!(0)))]
#[case::no_end("finished", "", "/ended_early", None)]
fn a_wrong_line_is_refused(
    #[case] event: &str,
    #[case] scenario: &str,
    #[case] place: &str,
    #[case] field: Option<Value>,
) {
    let mut line = line(event, scenario);
    assert!(LINE.is_valid(&line));
    put(&mut line, place, field);
    assert!(!LINE.is_valid(&line), "{line}");
}

#[rstest]
#[case::none(json!({"value": null}))]
#[case::text(json!({"value": "v"}))]
#[case::base64(json!({"value": {"base64": "/w=="}}))]
#[case::long(json!({"value": {"bytes": 4096, "hash": "0c5f0409"}}))]
#[case::mark_of_none(json!({"metadata": [null, null]}))]
fn another_answer_is_valid(#[case] answer: Value) {
    let mut line = line("case_finished", "core/pass");
    put(&mut line, ANSWER, Some(answer));
    assert!(LINE.is_valid(&line), "{line}");
}
