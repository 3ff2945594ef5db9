//! `txn`: runs a transaction, and prints which branch was taken and what its operations answered.

mod draw;
mod run;
mod script;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;

use self::script::{CompareScript, OpScript, OperandScript, TxnScript};
use super::draw::Drawn;
use super::names::{Name, Named};
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Found, Keys, Lifetime, Sight, StateChange, Written};
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Rev;

command! {
    /// Runs a transaction and prints which branch was taken, and what its operations answered.
    ///
    /// A comparison is `"value k = v"`, `"version k > 0"`, `"create k = m"`, `"mod k = m+1"` or `"lease k = a"`, an
    /// operation `"put k v"`, `"put k v a"` (with lease a), `"delete k"`, `"delete_prefix k"`, `"read k"`, `"list k"` or
    /// `"fill k 129"` (so many puts) or `"fill k 3 600KiB"` (each of that size). `''` is the empty value.
    Txn = "txn", "txn if \"COMPARE\"… then \"OP\"… else \"OP\"…", "a transaction: which branch was taken, and what its operations answered" {
        /// The words.
        words: Vec<String> = words("words"),
    }
}

impl Txn {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(16, &[Need::Transactions], |choices| {
        Some(Command::Txn(Self { words: draw::words(choices) }))
    });
}

#[async_trait(?Send)]
impl Verb for Txn {
    fn label(&self) -> String {
        "txn".into()
    }

    fn functions(&self) -> Vec<Function> {
        functions(&self.words)
    }

    fn uses(&self) -> Vec<Name> {
        let Ok(script) = TxnScript::parse(&self.words) else { return Vec::new() };
        let leases = script.leases().map(|lease| Named::Lease.called(lease));
        leases.chain(script.revisions().map(|rev| Named::Mark.called(&rev.mark))).collect()
    }

    fn revisions(&self) -> Vec<Rev> {
        let script = TxnScript::parse(&self.words);
        script.iter().flat_map(TxnScript::revisions).cloned().collect()
    }

    fn check(&self) -> std::result::Result<(), String> {
        TxnScript::parse(&self.words).map(drop)
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        effects(&self.words, answer)
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        run::run(&self.words, session, client.as_ref()).await
    }
}

/// What a transaction does: without comparisons the first branch, else the one that the answer names.
fn effects<'a>(words: &[String], answer: Option<&Answer>) -> Vec<Effect<'a>> {
    let Ok(TxnScript { compare, then, otherwise }) = TxnScript::parse(words) else {
        return Vec::new();
    };
    let is_conditional = !compare.is_empty();
    let branch = |ops: Vec<OpScript>| ops.into_iter().flat_map(op).collect::<Vec<_>>();
    let mut effects: Vec<_> = compare.into_iter().flat_map(compared).collect();
    match answer {
        Some(Answer::Txn(true, _)) => effects.extend(branch(then)),
        Some(Answer::Txn(false, _)) => effects.extend(branch(otherwise)),
        Some(_) => {}
        None if is_conditional => effects.push(Effect::Either(branch(then), branch(otherwise))),
        None => effects.extend(branch(then)),
    }
    effects
}

fn compared(compare: CompareScript) -> Vec<Effect<'static>> {
    let key = Cow::from(compare.key.0);
    let sights = match compare.operand {
        OperandScript::Value(_) => vec![Sight::Key(key)],
        OperandScript::Version(_) => vec![Sight::Version(key)],
        OperandScript::Create(_) | OperandScript::Mod(_) => vec![Sight::Everything],
        OperandScript::Lease(lease) => vec![Sight::Key(key), Sight::Lease(lease.into())],
    };
    sights.into_iter().map(|sight| Effect::Saw(sight, Found::Unknown)).collect()
}

fn op(op: OpScript) -> Vec<Effect<'static>> {
    let saw = |sight| Effect::Saw(sight, Found::Unknown);
    match op {
        OpScript::Put(key, value, lease) => {
            let seen = lease.clone().map(|lease| saw(Sight::Lease(lease.into())));
            let lifetime = lease.map_or(Lifetime::Permanent, |name| Lifetime::Lease(name.into()));
            let written = Written::Value(value.0.into());
            let wrote =
                Effect::Changed(StateChange::Wrote(Keys::One(key.0.into()), written, lifetime));
            seen.into_iter().chain([wrote]).collect()
        }
        OpScript::Fill(key, count, _) => {
            let keys = Keys::Numbered(key.0.into(), count);
            vec![Effect::Changed(StateChange::Wrote(
                keys,
                Written::Many(count),
                Lifetime::Permanent,
            ))]
        }
        OpScript::Delete(key) => {
            let key = Cow::from(key.0);
            vec![saw(Sight::Key(key.clone())), Effect::Changed(StateChange::Deleted(key))]
        }
        OpScript::DeletePrefix(prefix) => {
            let prefix = Cow::from(prefix.0);
            vec![
                saw(Sight::Prefix(prefix.clone())),
                Effect::Changed(StateChange::DeletedPrefix(prefix)),
            ]
        }
        OpScript::Read(key) => vec![saw(Sight::Key(key.0.into()))],
        OpScript::List(prefix) => vec![saw(Sight::Prefix(prefix.0.into()))],
    }
}

/// The functions that a transaction calls: one for each form that it has.
fn functions(words: &[String]) -> Vec<Function> {
    let Ok(TxnScript { compare, then, otherwise }) = TxnScript::parse(words) else {
        return vec![Function::Txn];
    };
    let mut functions = vec![Function::Txn];
    match compare.len() {
        0 => functions.push(Function::TxnUnconditional),
        1 => {}
        _ => functions.push(Function::TxnCompares),
    }
    let has_many = |ops: &[OpScript]| ops.len() > 1 || matches!(ops, [OpScript::Fill(..)]);
    if has_many(&then) || has_many(&otherwise) {
        functions.push(Function::TxnOps);
    }
    functions.extend(compare.iter().filter_map(|compare| match compare.operand {
        OperandScript::Value(_) => Some(Function::TxnValue),
        OperandScript::Version(_) => None,
        OperandScript::Create(_) => Some(Function::TxnCreate),
        OperandScript::Mod(_) => Some(Function::TxnMod),
        OperandScript::Lease(_) => Some(Function::TxnLease),
    }));
    functions.extend(then.iter().chain(&otherwise).filter_map(|op| match op {
        OpScript::Put(_, _, Some(_)) => Some(Function::TxnAttach),
        OpScript::Put(_, _, None) | OpScript::Fill(..) => None,
        OpScript::Delete(_) => Some(Function::TxnDelete),
        OpScript::DeletePrefix(_) => Some(Function::TxnDeletePrefix),
        OpScript::Read(_) => Some(Function::TxnRead),
        OpScript::List(_) => Some(Function::TxnList),
    }));
    functions
}
