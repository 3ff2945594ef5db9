//! Draws a timeline: commands on top, a lane for everything that lived, and the time below.

use std::time::Duration;

use maud::{Markup, Render, html};

use super::text::Text;
use crate::timeline::{Ending, Lane, LaneKind, Life, MarkKind, Place, Step, Term, Timeline, place};
use crate::transcript::Moment;
use crate::words::seconds;

/// The heights of the parts, in pixels.
const HEAD: usize = 20;
const LANE: usize = 34;
const FOOT: usize = 18;
/// The height of the line below the times.
const NOTE: usize = 14;
/// The least width of a command, in pixels.
const STEP: usize = 15;
/// The least part of the width that a command has for words.
const WORDS: f64 = 0.05;
/// The width of a letter, and the least width of a timeline that has words on it, in pixels.
const LETTER: usize = 7;
const NARROW: f64 = 500.0;
/// How much of the width commands share evenly, where time passes; the rest goes by how long each took.
const EVEN: f64 = 0.5;
/// How many times are written below at most.
const TICKS: u128 = 8;

/// A distance from the left, as a part of the whole width.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct X(f64);

impl Render for X {
    fn render_to(&self, page: &mut String) {
        let hundredths = (self.0 * 10_000.0 + 0.5) as u32;
        let (whole, tenth, hundredth) = (hundredths / 100, hundredths / 10 % 10, hundredths % 10);
        whole.render_to(page);
        if tenth + hundredth > 0 {
            page.push('.');
            tenth.render_to(page);
        }
        if hundredth > 0 {
            hundredth.render_to(page);
        }
        page.push('%');
    }
}

/// Where places are from left to right: every command has some width, also one that took no time.
struct Scale {
    lefts: Vec<f64>,
}

impl Scale {
    fn of(steps: &[Step], tail: Duration) -> Self {
        let total = tail + steps.iter().map(|step| step.took).sum::<Duration>();
        let even = if total.is_zero() { 1.0 } else { EVEN };
        let by_time = |took: Duration| match total.is_zero() {
            true => 0.0,
            false => (1.0 - even) * took.div_duration_f64(total),
        };
        let mut left = 0.0;
        let mut lefts = vec![0.0];
        for step in steps {
            left += even / steps.len() as f64 + by_time(step.took);
            lefts.push(left);
        }
        lefts.push(left + by_time(tail));
        Self { lefts }
    }

    fn x(&self, place: Place) -> X {
        let last = self.lefts.len() - 2;
        let index = (place.max(0.0) as usize).min(last);
        let part = (place - index as Place).clamp(0.0, 1.0);
        X(self.lefts[index] + part * (self.lefts[index + 1] - self.lefts[index]))
    }

    fn width(&self, from: Place, to: Place) -> X {
        X((self.x(to).0 - self.x(from).0).max(0.0))
    }
}

/// Draws a timeline; `wrong` is the line of the command that was answered otherwise than expected.
pub(super) fn draw(timeline: &Timeline, wrong: Option<usize>) -> Markup {
    let Timeline { steps, lanes, left_out, tail } = timeline;
    if steps.is_empty() {
        return html! {};
    }
    let scale = Scale::of(steps, *tail);
    let foot = HEAD + LANE * lanes.len();
    html! {
        div.tl {
            svg width="100%" height=(foot + FOOT + NOTE) style={ "min-width:" (STEP * steps.len()) "px" } role="img" aria-label="timeline" {
                (commands(steps, &scale, foot, wrong))
                (draw_lanes(lanes, &scale, steps.len() as Place))
                (ticks(steps, *tail, &scale, foot))
            }
        }
        @if *left_out > 0 { p.m { "and " (left_out) " keys, leases or watches more" } }
    }
}

/// The commands by number, and in words if there is room; words that may be too long are cut off where they end.
fn commands(steps: &[Step], scale: &Scale, foot: usize, wrong: Option<usize>) -> Markup {
    let placed = steps.iter().enumerate().map(|(index, step)| {
        let from = index as Place;
        (index, step, scale.x(from), scale.width(from, from + 1.0))
    });
    let is_long =
        |step: &Step, width: X| width.0 * NARROW < (LETTER * (step.words.len() + 4)) as f64;
    html! {
        @for (index, step, x, width) in placed {
            @let is_wrong = wrong == Some(step.line);
            @if is_wrong || index % 2 == 1 {
                rect.b.bad[is_wrong] x=(x) width=(width) height=(foot) {}
            }
            @if width.0 < WORDS {
                text.k x=(x) y="13" { (index + 1) }
            } @else if is_long(step, width) {
                svg x=(x) width=(width) height=(HEAD) {
                    text.k y="13" { (index + 1) tspan.w.u[width.0 < 0.12] { " " (Text(&step.words)) } }
                }
            } @else {
                text.k x=(x) y="13" { (index + 1) tspan.w[width.0 < 0.3] { " " (Text(&step.words)) } }
            }
        }
    }
}

fn draw_lanes(lanes: &[Lane], scale: &Scale, end: Place) -> Markup {
    html! {
        @for (index, lane) in lanes.iter().enumerate() {
            @let top = HEAD + LANE * index;
            @let bar = top + 18;
            text y=(top + 12) { (Text(&lane.name)) tspan.m { (Told(lane)) } }
            @for term in &lane.terms { (bracket(term, bar, scale, end)) }
            @for life in &lane.lives {
                @let until = life.end.map_or(end, |(until, _)| until);
                rect class=(class(lane.kind, life)) x=(scale.x(life.from)) width=(scale.width(life.from, until)) y=(bar) height="8" {
                    @if lane.lives.len() > 1 { title { (Text(&lane.name)) ": " (ending(lane.kind, life)) } }
                }
            }
            @for mark in &lane.marks {
                use href=(symbol(mark.kind)) x=(scale.x(mark.at)) y=(bar + 4) { title { (Text(&mark.words)) } }
            }
        }
    }
}

/// The TTL that was granted, and the lag that the store has beyond it.
fn bracket(term: &Term, bar: usize, scale: &Scale, end: Place) -> Markup {
    let until = term.until.unwrap_or(end);
    let (from, to) = (scale.x(term.from), scale.x(until));
    let (above, below) = (bar - 3, bar + 11);
    html! {
        @if let (Some(lag), false) = (term.lag, term.is_cut) {
            rect.lag x=(to) width=(scale.width(until, lag)) y=(above) height=(below - above) { title { "it may go until here" } }
        }
        g.t {
            title { "granted " (seconds(term.granted)) }
            line x1=(from) x2=(to) y1=(above) y2=(above) {}
            line x1=(from) x2=(from) y1=(above) y2=(bar) {}
            @if term.until.is_some() && !term.is_cut {
                line x1=(to) x2=(to) y1=(above) y2=(below) {}
            }
        }
    }
}

/// What is said of a lane next to its name.
struct Told<'a>(&'a Lane);

impl Render for Told<'_> {
    fn render_to(&self, page: &mut String) {
        let lane = self.0;
        let mut tell = |words: &[&str]| {
            page.push_str("  ");
            words.iter().for_each(|word| page.push_str(word));
        };
        if let Some(term) = lane.terms.first() {
            tell(&["ttl ", &seconds(term.granted)]);
        }
        match lane.terms.len() {
            0 | 1 => {}
            2 => tell(&["renewed once"]),
            terms => tell(&["renewed ", &(terms - 1).to_string(), " times"]),
        }
        if let Some(life) = lane.lives.last().filter(|life| life.end.is_some()) {
            tell(&[ending(lane.kind, life)]);
        }
        if lane.left_out > 0 {
            tell(&[&lane.left_out.to_string(), " marks more"]);
        }
    }
}

fn ending(kind: LaneKind, life: &Life) -> &'static str {
    match life.end.map(|(_, ending)| ending) {
        None => "there to the end",
        Some(Ending::Ordered) => match kind {
            LaneKind::Key => "deleted",
            LaneKind::Lease => "revoked",
            LaneKind::Watch => "closed",
        },
        Some(Ending::Expired(Moment::OnTime)) => "expired on time",
        Some(Ending::Expired(Moment::Early)) => "expired early",
        Some(Ending::Expired(Moment::Late)) => "expired late",
        Some(Ending::Expired(Moment::Back)) => "came back",
        Some(Ending::Expired(Moment::Unseen)) => "went unseen",
        Some(Ending::Gone) => "found gone",
        Some(Ending::Broken) => "ended with an error",
    }
}

fn class(kind: LaneKind, life: &Life) -> &'static str {
    let is_bad = matches!(
        life.end,
        Some((_, Ending::Broken | Ending::Expired(Moment::Early | Moment::Late | Moment::Back)))
    );
    match kind {
        _ if is_bad => "l bad",
        LaneKind::Key => "l",
        LaneKind::Lease => "l le",
        LaneKind::Watch => "l wa",
    }
}

/// The symbol of a mark, by the name that the page defines it under.
fn symbol(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Written => "#mw",
        MarkKind::Seen => "#ms",
        MarkKind::Missed => "#mm",
        MarkKind::Put => "#mp",
        MarkKind::Delete => "#md",
        MarkKind::Refused => "#mr",
    }
}

/// The shapes of all marks, which a page has once.
pub(super) fn symbols() -> Markup {
    html! {
        svg.defs width="0" height="0" aria-hidden="true" {
            defs {
                path #mw d="M-3-6h6v12h-6z" {}
                circle #ms r="3.5" {}
                circle #mm r="3.5" {}
                path #mp d="M-5 5 0-6 5 5z" {}
                path #md d="M-5-5h10l-5 11z" {}
                path #mr d="M-4-4 4 4M4-4-4 4" {}
            }
        }
    }
}

/// What the shapes mean.
pub(super) fn legend() -> Markup {
    let marks = [
        (MarkKind::Written, "written, granted or renewed"),
        (MarkKind::Seen, "looked at, and there"),
        (MarkKind::Missed, "looked at, and not there"),
        (MarkKind::Put, "a watch delivered a put"),
        (MarkKind::Delete, "a watch delivered a delete"),
        (MarkKind::Refused, "answered by an error"),
    ];
    html! {
        ul.legend {
            @for (kind, words) in marks {
                li { svg width="14" height="14" { use href=(symbol(kind)) x="7" y="7" {} } (words) }
            }
            li { svg width="34" height="14" { (bracket_shape()) } "the granted TTL, and the lag allowed after it" }
        }
    }
}

fn bracket_shape() -> Markup {
    html! {
        rect.lag x="24" y="2" width="10" height="11" {}
        rect.l x="1" y="5" width="26" height="7" {}
        g.t {
            line x1="1" x2="24" y1="2" y2="2" {}
            line x1="1" x2="1" y1="2" y2="6" {}
            line x1="24" x2="24" y1="2" y2="13" {}
        }
    }
}

/// The times below, as far apart as the width allows; every second one only if it is wide.
fn ticks(steps: &[Step], tail: Duration, scale: &Scale, foot: usize) -> Markup {
    let end = steps.last().map_or(Duration::ZERO, |step| step.at + step.took);
    let place = |time: Duration| {
        let beyond = time.saturating_sub(end);
        let tail = if tail.is_zero() { 0.0 } else { beyond.div_duration_f64(tail) };
        place(steps, time).unwrap_or(steps.len() as Place + tail)
    };
    let mut last = -1.0;
    let places = times(end + tail).into_iter().map(|time| (scale.x(place(time)), time));
    let ticks: Vec<_> = places
        .filter(|(x, _)| {
            x.0 < 0.96 && x.0 - last > 0.07 && {
                last = x.0;
                true
            }
        })
        .collect();
    html! {
        @if ticks.len() < 2 {
            text.a x="0" y=(foot + 13) { "no time passes" }
        } @else {
            @for (index, (x, time)) in ticks.into_iter().enumerate() {
                line.a x1=(x) x2=(x) y1=(foot) y2=(foot + 4) {}
                text.a.w[index % 2 == 1] x=(x) y=(foot + 14) dx="2" { (seconds(time)) }
            }
            text.a x="0" y=(foot + FOOT + 10) { "time, not to scale" }
        }
    }
}

/// Round times up to a total, no more than there is room for.
fn times(total: Duration) -> Vec<Duration> {
    let rounds = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let step =
        rounds.map(Duration::from_millis).find(|step| total.as_nanos() / step.as_nanos() < TICKS);
    let step = step.unwrap_or(Duration::MAX);
    std::iter::successors(Some(Duration::ZERO), |time| time.checked_add(step))
        .take_while(|time| *time <= total)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: usize, at: u64, took: u64) -> Step {
        let (at, took) = (Duration::from_millis(at), Duration::from_millis(took));
        Step { line, words: "read k".into(), at, took }
    }

    #[test]
    fn every_command_has_a_width_and_time_is_told_apart() {
        let scale = Scale::of(&[step(1, 0, 0), step(2, 0, 3000), step(3, 3000, 0)], Duration::ZERO);
        assert_eq!(scale.x(0.0).0, 0.0);
        assert!((scale.x(1.0).0 - EVEN / 3.0).abs() < 1e-9);
        assert!((scale.x(3.0).0 - 1.0).abs() < 1e-9);
        assert!(scale.width(1.0, 2.0) > scale.width(0.0, 1.0));
    }

    #[test]
    fn where_no_time_passes_commands_stand_evenly() {
        let scale = Scale::of(&[step(1, 0, 0), step(2, 0, 0)], Duration::ZERO);
        assert_eq!(scale.x(1.5).0, 0.75);
    }

    #[test]
    fn distances_are_short() {
        let told = |x: f64| X(x).render().into_string();
        assert_eq!(
            (told(0.5), told(0.125), told(1.0 / 3.0)),
            ("50%".into(), "12.5%".into(), "33.33%".into())
        );
    }

    #[test]
    fn times_are_round() {
        let times = times(Duration::from_millis(7_300));
        assert_eq!(
            times.iter().map(Duration::as_secs).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5, 6, 7]
        );
    }

    #[test]
    fn what_was_not_run_is_not_drawn() {
        assert_eq!(draw(&Timeline::default(), None).into_string(), "");
    }
}
