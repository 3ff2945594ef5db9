//! Makes the lines of runs that were recorded by schema 1 into those of today.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

/// The longest padding that is believed.
const LONG: usize = 1 << 30;

/// A line of schema 1 as one of today.
pub(super) fn from_1(mut line: Value) -> Result<String, String> {
    convert(&mut line)?;
    Ok(line.to_string())
}

fn convert(value: &mut Value) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            map.values_mut().try_for_each(convert)?;
            if let Some(unclear) = map.remove("inconclusive") {
                map.insert("unclear".into(), unclear);
            }
            if map.get("kind") == Some(&json!("inconclusive")) {
                map.insert("kind".into(), json!("unclear"));
            }
            if let Some(calls) = map.get_mut("calls").and_then(Value::as_object_mut) {
                convert_calls(calls);
            }
            if let Some(whole) = padded(map)? {
                *value = whole;
            }
        }
        Value::Array(all) => all.iter_mut().try_for_each(convert)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// Bytes that end in many that are all the same were written as `start`, and then `fill` so many `times`.
fn padded(map: &Map<String, Value>) -> Result<Option<Value>, String> {
    let part = |name| map.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let (Some(start), Some(fill), Some(times)) = (map.get("start"), part("fill"), part("times"))
    else {
        return Ok(None);
    };
    if times > LONG {
        return Err(format!("{times} is too long"));
    }
    let mut bytes = match (start.as_str(), start["base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => BASE64_STANDARD.decode(text).map_err(|error| error.to_string())?,
        (None, None) => return Ok(None),
    };
    let fill = u8::try_from(fill).map_err(|error| error.to_string())?;
    bytes.resize(bytes.len() + times, fill);
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(error) => json!({ "base64": BASE64_STANDARD.encode(error.as_bytes()) }),
    }))
}

/// The calls of a race had no columns, and a `rule` in place of the `kind`.
fn convert_calls(calls: &mut Map<String, Value>) {
    let (Some(rule), Some(Value::Array(all))) = (calls.remove("rule"), calls.get_mut("calls"))
    else {
        return;
    };
    for (place, call) in all.iter_mut().enumerate() {
        let old = call.take();
        let began = old["began"].as_u64().unwrap_or_default();
        let took = old["returned"].as_u64().map(|returned| returned.saturating_sub(began));
        *call = json!({
            "call": old["call"], "is_numbered": false, "reply": old["reply"], "places": [place],
            "clients": [old["client"]], "rounds": [old["round"]], "began": [began], "took": [took],
        });
    }
    let bounds = json!({ "deadline": 0, "event_lag": 0, "tolerance": 0 });
    calls.extend([
        ("kind".into(), rule),
        ("rounds".into(), json!(0)),
        ("bounds".into(), bounds),
        ("events".into(), json!([])),
        ("watches".into(), json!([])),
    ]);
}
