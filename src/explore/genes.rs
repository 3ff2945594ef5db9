//! What a random program is drawn from, and how that is made smaller.

use std::sync::LazyLock;

use proptest::array::uniform24;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::{SBoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::backend::Clock;
use crate::capability::{Capabilities, Need};
use crate::command::draw::{Choices, Drawn, Scene};
use crate::command::{Command, DRAWS};

/// How many commands are drawn for one program.
const COMMANDS: std::ops::RangeInclusive<usize> = 14..=44;

/// How many bytes the arguments of a command are drawn from: enough for a transaction.
const BYTES: usize = 24;

/// In how many of a hundred programs watches are read only when the program asks for events.
const UNREAD: i32 = 12;

/// The clients of a program. Of 256 draws so many are for the first client.
const CLIENTS: [&str; 2] = ["b", "c"];
const FIRST_CLIENT: u8 = 160;

/// What a program is drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Genes {
    kind: i32,
    /// Whether its watches are read only when it asks for events.
    pub are_unread: bool,
    pub commands: Vec<Gene>,
    /// Two bits for each command of the vocabulary: how often it is drawn in this program.
    swarm: u64,
}

/// By how much the weight of a command is multiplied in a program. Programs that lack some commands and have much of
/// others come farther than those that have a little of each.
const SWARM: [u32; 4] = [1, 0, 1, 4];

/// What a program may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It runs concurrently with others, and counts no revisions.
    Beside,
    /// It counts revisions, and waits for nothing, since others would wait for it.
    Counting,
    /// It counts revisions and waits too.
    CountingAndWaiting,
}

/// What a command is drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gene {
    command: u32,
    client: u8,
    bytes: [u8; BYTES],
}

static STRATEGY: LazyLock<SBoxedStrategy<Genes>> = LazyLock::new(|| {
    let gene = (any::<u32>().no_shrink(), any::<u8>(), uniform24(any::<u8>()));
    let gene = gene.prop_map(|(command, client, bytes)| Gene { command, client, bytes });
    let kind = (0..100).no_shrink();
    let are_unread = (0..100).no_shrink().prop_map(|number| number < UNREAD);
    let genes = (kind, are_unread, vec(gene, COMMANDS), any::<u64>().no_shrink());
    let genes = genes.prop_map(|(kind, are_unread, commands, swarm)| Genes {
        kind,
        are_unread,
        commands,
        swarm,
    });
    genes.sboxed()
});

static CONFIG: LazyLock<Config> = LazyLock::new(Config::default);

/// The genes of the program of that number, always the same for a seed; and a way to make them smaller.
pub(super) fn tree(seed: u64, number: u64) -> impl ValueTree<Value = Genes> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(CONFIG.clone(), random);
    STRATEGY.new_tree(&mut runner).expect("the strategy refuses nothing")
}

impl Genes {
    /// What the program may do. On a store in real time fewer count and wait, since all others wait for them.
    pub fn kind(&self, clock: Clock) -> Kind {
        let from = match clock {
            Clock::Virtual => 90,
            Clock::Wall => 99,
        };
        match self.kind {
            0..60 => Kind::Beside,
            number if number < from => Kind::Counting,
            _ => Kind::CountingAndWaiting,
        }
    }
}

impl Gene {
    /// The client.
    pub fn client(&self) -> Option<&'static str> {
        let above = self.client.checked_sub(FIRST_CLIENT)?;
        Some(CLIENTS[usize::from(above) % CLIENTS.len()])
    }
}

/// How a command is drawn.
type Drawer = fn(&mut Choices<'_>) -> Option<Command>;

/// The commands that a program draws from.
pub(super) struct Vocabulary {
    drawers: Vec<(u32, Drawer)>,
}

impl Vocabulary {
    /// Those of a program on a store that has this.
    pub fn new(genes: &Genes, capabilities: &Capabilities) -> Self {
        let lacks = |need: &Need| capabilities.lack(*need).is_some();
        let drawers = DRAWS.iter().enumerate().filter_map(|(place, draw)| match draw.drawn {
            Drawn::Often(weight, needs, draw) if !needs.iter().any(lacks) => {
                let bits = (genes.swarm >> (2 * (place % 32))) & 3;
                Some((weight * SWARM[usize::try_from(bits).unwrap_or_default()], draw))
            }
            Drawn::Often(..) | Drawn::Not(_) => None,
        });
        Self { drawers: drawers.collect() }
    }

    /// The command of a gene, if it makes sense in this scene.
    pub fn draw(&self, gene: &Gene, scene: &Scene) -> Option<Command> {
        let all: u64 = self.drawers.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut left = (u64::from(gene.command) * all) >> 32;
        let drawn =
            self.drawers.iter().find(|(weight, _)| match left.checked_sub((*weight).into()) {
                Some(less) => {
                    left = less;
                    false
                }
                None => true,
            });
        let (_, draw) = drawn?;
        draw(&mut Choices::new(&gene.bytes, scene, gene.client()))
    }
}
