//! Draws the words of a transaction.

use crate::capability::Need;
use crate::command::draw::Choices;

/// Draws comparisons, and operations of both branches.
pub(super) fn words(choices: &mut Choices<'_>) -> Vec<String> {
    let mut words = Vec::new();
    let compares = [0, 1, 2][choices.below(3)];
    for at in 0..compares {
        words.extend((at == 0).then(|| "if".to_string()));
        words.push(compare(choices));
    }
    if choices.in_hundred(3) {
        // More than a transaction may have, or as many, and nothing else that could be wrong with it.
        let count = [129, 128, 65][choices.below(3)];
        words.extend(["then".into(), format!("fill {} {count}", choices.word_of(Choices::key))]);
        return words;
    }
    let then = 1 + choices.below(3);
    words.push("then".into());
    words.extend((0..then).map(|_| op(choices)));
    let otherwise = if compares > 0 { choices.below(3) } else { 0 };
    words.extend((otherwise > 0).then(|| "else".to_string()));
    words.extend((0..otherwise).map(|_| op(choices)));
    words
}

fn compare(choices: &mut Choices<'_>) -> String {
    let key = choices.word_of(Choices::key);
    let sign = ["=", "!=", ">", "<"][choices.below(4)];
    let value = |choices: &mut Choices<'_>| {
        let value = choices.word_of(Choices::value);
        format!("value {key} {sign} {value}")
    };
    let version = |choices: &mut Choices<'_>| format!("version {key} {sign} {}", choices.below(3));
    match choices.below(6) {
        0 | 1 => version(choices),
        2 => value(choices),
        3 if choices.has(Need::Leases) => match choices.lease() {
            // Which of two ids is greater is the store's own affair.
            Some(lease) => {
                let sign = if sign == "=" { "=" } else { "!=" };
                format!("lease {key} {sign} {lease}")
            }
            None => version(choices),
        },
        number => match revision(choices, sign) {
            Some(revision) if number == 4 => format!("create {key} {revision}"),
            Some(revision) => format!("mod {key} {revision}"),
            None => value(choices),
        },
    }
}

/// A comparison with a revision that is the same on a store that others write to, unless the program is alone.
fn revision(choices: &mut Choices<'_>, sign: &str) -> Option<String> {
    if choices.scene().is_alone && choices.exact_mark().is_some() {
        return choices.rev(0).map(|rev| format!("{sign} {rev}"));
    }
    let sign = if sign == ">" { ">" } else { "<" };
    let rev = choices.rev(i64::from(sign == "<"))?;
    Some(format!("{sign} {rev}"))
}

fn op(choices: &mut Choices<'_>) -> String {
    match choices.below(12) {
        0..5 => put(choices),
        5..7 => format!("delete {}", choices.word_of(Choices::key)),
        7 => format!("delete_prefix {}", choices.word_of(Choices::prefix)),
        8..10 => format!("read {}", choices.word_of(Choices::key)),
        _ => format!("list {}", choices.word_of(Choices::prefix)),
    }
}

fn put(choices: &mut Choices<'_>) -> String {
    let (key, value) = (choices.word_of(Choices::key), choices.word_of(Choices::value));
    let lease = choices.in_hundred(25) && choices.has(Need::Leases);
    match lease.then(|| choices.lease_to_attach()).flatten() {
        Some(lease) => format!("put {key} {value} {lease}"),
        None => format!("put {key} {value}"),
    }
}
