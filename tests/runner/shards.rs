//! How scenarios are split into shards.

use std::sync::Arc;
use std::time::Duration;

use kvspec::plan::{Shard, ShardError};
use kvspec::scenario::{self, Scenario};
use rstest::rstest;

fn suite() -> Vec<Arc<Scenario>> {
    scenario::embedded().expect("the suite is whole").into_iter().map(Arc::new).collect()
}

fn split(scenarios: &[Arc<Scenario>], count: usize) -> Vec<Vec<Arc<Scenario>>> {
    let shard = |index| Shard::new(index, count).unwrap().of(scenarios).unwrap();
    (1..=count).map(shard).collect()
}

fn names(scenarios: &[Arc<Scenario>]) -> Vec<&str> {
    scenarios.iter().map(|one| one.name.as_str()).collect()
}

#[rstest]
fn every_scenario_is_in_exactly_one_shard(#[values(1, 2, 4, 7)] count: usize) {
    let suite = suite();
    let shards = split(&suite, count);
    let mut all: Vec<_> = shards.iter().flat_map(|shard| names(shard)).collect();
    all.sort_unstable();
    assert_eq!(all, names(&suite));
}

#[test]
fn the_split_does_not_depend_on_the_order_and_is_the_same_again() {
    let suite = suite();
    let reversed: Vec<_> = suite.iter().rev().cloned().collect();
    assert_eq!(split(&suite, 4), split(&suite, 4));
    assert_eq!(split(&suite, 4), split(&reversed, 4));
}

#[test]
fn shards_take_about_the_same_time() {
    let suite = suite();
    let shards = split(&suite, 4);
    let is_exclusive = |one: &&Arc<Scenario>| one.exclusive.is_some();
    let time = |shard: &Vec<Arc<Scenario>>, exclusive: bool| -> Duration {
        let counted = shard.iter().filter(|one| is_exclusive(one) == exclusive);
        counted.map(|one| one.max_wait).sum()
    };
    for exclusive in [true, false] {
        let times: Vec<_> = shards.iter().map(|shard| time(shard, exclusive)).collect();
        let longest = suite.iter().filter(|one| is_exclusive(one) == exclusive);
        let longest = longest.map(|one| one.max_wait).max().unwrap();
        let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*most <= *least + longest, "{times:?}, and the longest scenario takes {longest:?}");
    }
}

#[test]
fn no_shard_is_empty_and_more_shards_than_scenarios_are_refused() {
    let few: Vec<_> = suite().into_iter().take(5).collect();
    assert!(split(&few, 5).iter().all(|shard| shard.len() == 1));
    let refused = Shard::new(1, 6).unwrap().of(&few).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot split 5 scenarios into 6 shards: each shard needs at least one"
    );
}

#[rstest]
#[case("2/4", Ok((2, 4)))]
#[case("1/1", Ok((1, 1)))]
#[case("0/4", Err("invalid shard '0/4': expected K/N with K from 1 to N, such as 2/4"))]
#[case("5/4", Err("invalid shard '5/4': expected K/N with K from 1 to N, such as 2/4"))]
#[case("1/0", Err("invalid shard '1/0': expected K/N with K from 1 to N, such as 2/4"))]
#[case("2", Err("invalid shard '2': expected K/N with K from 1 to N, such as 2/4"))]
#[case("a/b", Err("invalid shard 'a/b': expected K/N with K from 1 to N, such as 2/4"))]
fn a_shard_is_written_k_of_n(#[case] text: &str, #[case] read: Result<(usize, usize), &str>) {
    let shard = text.parse::<Shard>().map(|shard| (shard.index(), shard.count()));
    assert_eq!(shard.map_err(|error| error.to_string()), read.map_err(String::from));
}

#[rstest]
#[case(Some("0"), Some("4"), Ok(Some("1/4")))]
#[case(Some("3"), Some("4"), Ok(Some("4/4")))]
#[case(Some("3"), None, Ok(None))]
#[case(Some("3"), Some(""), Ok(None))]
#[case(None, None, Ok(None))]
#[case(
    Some("4"),
    Some("4"),
    Err("JOB_COMPLETION_INDEX '4': expected a number below KVSPEC_SHARDS, which is 4")
)]
#[case(
    None,
    Some("4"),
    Err("JOB_COMPLETION_INDEX '': expected a number below KVSPEC_SHARDS, which is 4")
)]
#[case(Some("0"), Some("0"), Err("KVSPEC_SHARDS '0': expected the number of shards, at least 1"))]
#[case(
    Some("0"),
    Some("four"),
    Err("KVSPEC_SHARDS 'four': expected the number of shards, at least 1")
)]
fn a_pod_of_an_indexed_job_knows_its_shard(
    #[case] index: Option<&str>,
    #[case] shards: Option<&str>,
    #[case] read: Result<Option<&str>, &str>,
) {
    let shard = Shard::of_job(index, shards).map(|shard| shard.map(|shard| shard.to_string()));
    let told = shard.map_err(|error: ShardError| error.to_string());
    assert_eq!(told, read.map(|one| one.map(String::from)).map_err(|why| format!("invalid {why}")));
}
