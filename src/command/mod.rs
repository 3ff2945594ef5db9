//! The vocabulary of the scripts: one file a command, and the list of all.

mod args;
pub mod draw;
pub mod names;
pub mod shape;
mod shared;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::args::{Args, command};
use self::draw::Draw;
use self::names::Name;
pub use self::race::RaceKind;
use crate::backend::Ending;
use crate::effect::{Effect, Subject};
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Rev;

/// The lease names that mean ids which no store granted.
pub const NO_LEASES: [&str; 3] = ["unknown", "negative", "zero"];

/// How a command is written, and what it does, in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// Its name.
    pub name: &'static str,
    /// The name and the arguments.
    pub usage: &'static str,
    /// What it does, in the Markdown of the manual.
    pub help: &'static str,
}

/// What an answer of a command is about, which decides the clauses that a wrong one may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The events of a watch.
    Events,
    /// A lease.
    Lease,
    /// Which keys there are.
    Keys,
    /// The end of a key.
    Deletion,
    /// Many calls at once.
    Race(RaceKind),
    /// Anything else.
    Other,
}

/// What every command says of itself.
#[async_trait(?Send)]
trait Verb {
    /// What its answers are labelled with, in a block that has more than one command.
    fn label(&self) -> String;

    /// The functions of a store without which it means nothing.
    fn functions(&self) -> Vec<Function>;

    /// What it is about: where a timeline shows that it was refused.
    fn subject(&self) -> Option<Subject<'_>> {
        None
    }

    /// What it does, as it was answered by anything but an error; without an answer, if the store grants what is asked for.
    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>>;

    /// What its answer is about.
    fn topic(&self) -> Topic {
        Topic::Other
    }

    /// The key that it writes and the value, if that is all it does.
    fn writes(&self) -> Option<(&[u8], &[u8])> {
        None
    }

    /// The name that it gives.
    fn makes(&self) -> Option<Name> {
        None
    }

    /// The names that it uses, in the order in which it has them.
    fn uses(&self) -> Vec<Name> {
        Vec::new()
    }

    /// The revisions that it names by marks.
    fn revisions(&self) -> Vec<Rev> {
        Vec::new()
    }

    /// Refuses arguments that exclude each other.
    fn check(&self) -> std::result::Result<(), String> {
        Ok(())
    }

    /// How long it makes a script wait, as far as its own words say.
    fn max_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// How many calls it makes of a store, about.
    fn calls(&self) -> usize {
        1
    }

    /// How it ends the store before it opens it again. Then it is run without a client.
    fn ending(&self) -> Option<Ending> {
        None
    }

    /// Runs it; an error of the store is an answer like any other.
    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer>;
}

/// Makes the type of all commands of the list.
macro_rules! commands {
    ($($module:ident::$Type:ident,)*) => {
        $(mod $module;)*
        $(pub use self::$module::$Type;)*

        /// One command of a script. A key is written without the prefix that the runner puts before it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Command {
            $(#[doc = concat!("`", stringify!($module), "`.")] $Type($Type),)*
        }

        /// Every command that a script may have, sorted by name.
        pub const HELP: &[Help] = &[$($Type::HELP),*];

        /// How each of them is drawn for a random program, in the same order.
        pub const DRAWS: &[Draw] = &[$(Draw { name: $Type::HELP.name, drawn: $Type::DRAWN }),*];

        impl Command {
            /// Reads a command; fails with what was expected.
            pub fn read(command: &goldenscript::Command) -> std::result::Result<Self, String> {
                match command.name.as_str() {
                    $(stringify!($module) => {
                        $Type::of(&mut Args::new($Type::HELP, command)).map(Self::$Type)
                    })*
                    name => Err(unknown(name)),
                }
            }

            /// Its name, and how it is drawn.
            pub fn draw(&self) -> Draw {
                match self {
                    $(Self::$Type(_) => Draw { name: $Type::HELP.name, drawn: $Type::DRAWN },)*
                }
            }

            fn verb(&self) -> &dyn Verb {
                match self {
                    $(Self::$Type(command) => command,)*
                }
            }
        }

        impl fmt::Display for Command {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$Type(command) => command.fmt(f),)*
                }
            }
        }
    };
}

commands! {
    close::Close,
    compact::Compact,
    create::Create,
    delete::Delete,
    events::Events,
    expire::Expire,
    fill::Fill,
    join::Join,
    keep_alive::KeepAlive,
    lease::Lease,
    list::List,
    mark::Mark,
    metadata::Metadata,
    mkdir::Mkdir,
    next::Next,
    race::Race,
    read::Read,
    reopen::Reopen,
    revision::Revision,
    revoke::Revoke,
    survive::Survive,
    time_to_live::TimeToLive,
    txn::Txn,
    unwatch::Unwatch,
    update::Update,
    wait::Wait,
    watch::Watch,
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = HELP.iter().map(|help| help.name).collect();
    let close = similar::get_close_matches(name, &names, 1, 0.6);
    let hint = close.first().map(|close| format!(" (did you mean '{close}'?)"));
    let (hint, all) = (hint.unwrap_or_default(), names.join(", "));
    format!("unknown command '{name}'{hint}: expected one of {all}")
}

impl TryFrom<&goldenscript::Command> for Command {
    type Error = Box<dyn Error>;

    fn try_from(command: &goldenscript::Command) -> std::result::Result<Self, Self::Error> {
        Ok(Self::read(command)?)
    }
}

impl Command {
    /// What the command's answers are labelled with, in a block that has more than one command.
    pub fn label(&self) -> String {
        self.verb().label()
    }

    /// What the command does, as it was answered; without an answer, what it does if the store grants what is asked for.
    pub(crate) fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let refused = |words: String| {
            let subject = self.verb().subject();
            subject.map(|subject| Effect::Refused(subject, words.into())).into_iter().collect()
        };
        match answer {
            Some(Answer::Error(error)) => refused(error.kind.to_string()),
            Some(Answer::Panic(_)) => refused("panic".into()),
            answer => self.verb().effects(answer),
        }
    }

    /// The functions that the command calls, each once, in the order of their dependence.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = self.verb().functions();
        functions.sort_unstable();
        functions.dedup();
        functions
    }

    /// What the answer of the command is about.
    pub fn topic(&self) -> Topic {
        self.verb().topic()
    }

    /// The key that the command writes and the value, if that is all it does.
    pub fn writes(&self) -> Option<(&[u8], &[u8])> {
        self.verb().writes()
    }

    /// The name that the command gives, and what to.
    pub fn makes(&self) -> Option<Name> {
        self.verb().makes()
    }

    /// The names that the command uses, in the order in which it has them.
    pub fn uses(&self) -> Vec<Name> {
        self.verb().uses()
    }

    /// The revisions that the command names by marks.
    pub fn revisions(&self) -> Vec<Rev> {
        self.verb().revisions()
    }

    /// Refuses arguments that exclude each other.
    pub fn check(&self) -> std::result::Result<(), String> {
        self.verb().check()
    }

    /// How the command ends the store before it opens it again, if it does.
    pub fn ending(&self) -> Option<Ending> {
        self.verb().ending()
    }

    /// How many calls the command makes of a store, about.
    pub fn calls(&self) -> usize {
        self.verb().calls()
    }

    /// How long the command makes a script wait, as far as its own words say.
    pub fn max_wait(&self) -> Duration {
        self.verb().max_wait()
    }

    /// Runs the command on a client, and gives what was seen; an error of the store is an answer like any other.
    pub(crate) async fn perform(&self, session: &mut Session<'_>, client: Option<&str>) -> Answer {
        // What is under way gets its turn, so that a watch that was read has its next read pending.
        tokio::task::yield_now().await;
        // Before a client is looked up: one that is held would keep the store from ending.
        let answer = match self.ending() {
            Some(ending) => session.reopen(ending).await,
            None => match session.clients.get(client).await {
                Ok(client) => {
                    session.note_keys(&self.effects(None));
                    self.verb().run(session, client).await
                }
                Err(error) => Err(error),
            },
        };
        let answer = answer.unwrap_or_else(Answer::Error);
        let effects = self.effects(Some(&answer));
        session.ttls.take(&effects);
        session.watches.take(&session.clients, &effects);
        answer
    }
}
