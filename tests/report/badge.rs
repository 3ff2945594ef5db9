//! The badge, by the schema that its reader documents for an endpoint.

use std::sync::LazyLock;

use kvspec::event::{RunEvent, Summary, Tally};
use kvspec::report::Reporter;
use kvspec::report::badge::Badge;
use rstest::rstest;
use serde_json::{Value, json};

use super::run;
use super::schema::{Validator, validator};

/// What shields.io documents: three fields that must be there, and others that may; of colours only those with a name.
static ENDPOINT: LazyLock<Validator> = LazyLock::new(|| {
    let color = json!({
        "enum": ["brightgreen", "green", "yellowgreen", "yellow", "orange", "red", "blue", "lightgrey"]
    });
    validator(&json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["schemaVersion", "label", "message"],
        "properties": {
            "schemaVersion": { "const": 1 },
            "label": { "type": "string" },
            "message": { "type": "string", "minLength": 1 },
            "color": color,
            "labelColor": color,
            "isError": { "type": "boolean" },
            "namedLogo": { "type": "string" },
            "logoSvg": { "type": "string" },
            "logoColor": color,
            "logoSize": { "type": "string" },
            "style": { "enum": ["flat", "flat-square", "plastic", "for-the-badge", "social"] },
            "cacheSeconds": { "type": "integer", "minimum": 300 }
        },
        "additionalProperties": false
    }))
});

fn checked(badge: &[u8]) -> Value {
    let badge: Value = serde_json::from_slice(badge).expect("it is JSON");
    ENDPOINT.validate(&badge).unwrap();
    badge
}

#[test]
fn a_run_makes_a_badge() {
    let mut badge = Vec::new();
    run(&mut Badge::new(&mut badge));
    let shown = json!({"schemaVersion": 1, "label": "kvspec", "message": "1/6", "color": "red"});
    assert_eq!(checked(&badge), shown);
}

#[rstest]
#[case::good(|_: &mut Tally| {}, "3/3", "brightgreen")]
#[case::known(|tally: &mut Tally| tally.known = 1, "3/4", "yellow")]
#[case::bad(|tally: &mut Tally| tally.failed = 1, "3/4", "red")]
#[case::unclear(|tally: &mut Tally| tally.errored = 1, "3/4 unclear", "lightgrey")]
fn every_end_of_a_run_has_a_badge(
    #[case] add: fn(&mut Tally),
    #[case] message: &str,
    #[case] color: &str,
) {
    let (mut summary, mut tally) = (Summary::default(), Tally::default());
    tally.passed = 3;
    add(&mut tally);
    summary.tallies.push(("memory".into(), tally));
    let mut badge = Vec::new();
    Badge::new(&mut badge).take(&RunEvent::Finished { summary: &summary }).unwrap();
    let badge = checked(&badge);
    assert_eq!(badge["label"], "kvspec memory");
    assert_eq!((badge["message"].as_str(), badge["color"].as_str()), (Some(message), Some(color)));
}

#[test]
fn a_run_of_nothing_has_a_badge() {
    let mut badge = Vec::new();
    Badge::new(&mut badge).take(&RunEvent::Finished { summary: &Summary::default() }).unwrap();
    assert_eq!(checked(&badge)["message"], "not run");
}

#[rstest]
#[case::no_message(json!({"schemaVersion": 1, "label": "kvspec"}))]
#[case::empty_message(json!({"schemaVersion": 1, "label": "kvspec", "message": ""}))]
#[case::another_version(json!({"schemaVersion": 2, "label": "kvspec", "message": "1/6"}))]
#[case::unknown_field(json!({"schemaVersion": 1, "label": "", "message": "1/6", "colour": "red"}))]
fn what_is_no_badge_is_refused(#[case] badge: Value) {
    assert!(!ENDPOINT.is_valid(&badge));
}
