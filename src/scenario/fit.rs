//! A scenario made to fit a store: with longer times or fewer calls for a slow one, and with the sizes that it takes.

use std::time::Duration;

use super::Scenario;
use crate::command::{Command, Fill, Lease, Update, Wait};
use crate::words::{Size, Span, numbered_value, quote_value};

/// Spans from here on are not waited for, so nothing is gained by making them longer.
const LONG: Duration = Duration::from_secs(60);

/// The `Limits::max_value` that scripts are written for.
const MAX_VALUE: usize = 1 << 20;

/// How a scenario was made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// By how much its times were multiplied.
    pub times: u32,
    /// By how much its sizes were divided.
    pub parts: u32,
    /// The `Limits::max_value` of the store, in bytes.
    pub max_value: usize,
}

impl Fit {
    /// As the script says.
    pub const PLAIN: Self = Self { times: 1, parts: 1, max_value: MAX_VALUE };

    /// What the first line of a script that was made to fit says of it.
    pub fn of(title: &str) -> Self {
        let said = title.rsplit_once(" [").and_then(|(_, said)| said.split_once(']'));
        let said = said.map(|(said, _)| said);
        let mut fit = Self::PLAIN;
        for said in said.unwrap_or_default().split(", ") {
            match [" × ", " ÷ ", " = "].into_iter().find_map(|sign| said.split_once(sign)) {
                Some(("times", number)) => fit.times = number.parse().unwrap_or(1),
                Some(("sizes", number)) => fit.parts = number.parse().unwrap_or(1),
                Some(("max_value", number)) => fit.max_value = number.parse().unwrap_or(MAX_VALUE),
                _ => {}
            }
        }
        fit
    }

    /// What is put behind the title; nothing if the script is as it was written.
    fn said(self, scenario: &Scenario) -> String {
        let times = (self.times > 1).then(|| format!("times × {}", self.times));
        let parts = (self.parts > 1).then(|| format!("sizes ÷ {}", self.parts));
        let max_value = (scenario.follows_max_value && self.max_value != MAX_VALUE)
            .then(|| format!("max_value = {}", self.max_value));
        let said: Vec<_> = times.into_iter().chain(parts).chain(max_value).collect();
        if said.is_empty() { String::new() } else { format!(" [{}]", said.join(", ")) }
    }

    /// The scenario with its times and sizes changed, line by line; `None` if nothing of it changes, or if it does not allow
    /// that. Its watches are read as before.
    ///
    /// Times that are not waited for stay, and so do all where the header says `exact`. Sizes are the numbers that the
    /// header names behind `scales`.
    pub fn apply(self, scenario: &Scenario) -> Option<Scenario> {
        let is_allowed = (self.times == 1 || scenario.exact.is_none())
            && (self.parts == 1 || !scenario.scales.is_empty())
            && scenario.scales.iter().all(|number| number % self.parts as usize == 0);
        let said = self.said(scenario);
        if said.is_empty() || !is_allowed {
            return None;
        }
        let title = scenario.text.lines().position(states_title);
        let lines = scenario.text.lines().enumerate().map(|(index, line)| match title {
            Some(title) if title == index => format!("{line}{said}\n"),
            _ => self.line(scenario, index + 1, line) + "\n",
        });
        Scenario::recall(&scenario.name, scenario.path.clone(), lines.collect()).ok()
    }

    fn line(self, scenario: &Scenario, number: usize, line: &str) -> String {
        if line.starts_with('#') {
            return line.into();
        }
        let command = scenario.commands.iter().find(|(at, _)| *at == number);
        let timed = match command.map(|(_, command)| command) {
            Some(Command::Wait(Wait { span })) => self.longer(line, "wait ", span.0),
            Some(
                Command::Update(Update { ttl: Some(span), .. })
                | Command::Fill(Fill { ttl: Some(span), .. }),
            ) => self.longer(line, "ttl=", span.0),
            Some(Command::Lease(Lease { ttl, .. })) => self.longer(line, "ttl=", ttl.0),
            _ => line.into(),
        };
        let smaller = scenario.scales.iter().fold(timed, |line, size| self.smaller(&line, *size));
        if scenario.follows_max_value { self.sized(&smaller) } else { smaller }
    }

    /// The line with every size, and what is expected of a value of such a size, as the store's `Limits::max_value` has
    /// them.
    fn sized(self, line: &str) -> String {
        if self.max_value == MAX_VALUE {
            return line.into();
        }
        let words = line.split_inclusive([' ', '=', '"']).map(|word| {
            let end = word.trim_end_matches([' ', '"', '=']).len();
            let (size, rest) = word.split_at(end);
            match size.parse::<Size>() {
                Ok(Size(bytes)) if size.ends_with('B') => self.scaled(bytes).to_string() + rest,
                _ => word.into(),
            }
        });
        let line: String = words.collect();
        let Some((before, bytes)) = line.split_once('(').and_then(|(before, seen)| {
            Some((before, seen.split_once(" bytes, hash ")?.0.parse().ok()?))
        }) else {
            return line;
        };
        before.to_string() + &quote_value(&numbered_value(0, Some(self.scaled(bytes))))
    }

    fn scaled(self, bytes: usize) -> usize {
        (bytes as u128 * self.max_value as u128).div_ceil(MAX_VALUE as u128) as usize
    }

    /// The line with the span behind `before` made longer.
    fn longer(self, line: &str, before: &str, span: Duration) -> String {
        let Some(at) = line.rfind(before).filter(|_| span < LONG) else { return line.into() };
        let (head, tail) = line.split_at(at + before.len());
        let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
        match tail[..end].parse::<Span>() {
            Ok(Span(span)) => {
                format!("{head}{}ms{}", (span * self.times).as_millis(), &tail[end..])
            }
            Err(_) => line.into(),
        }
    }

    /// The line with this number divided wherever it is a number of its own.
    fn smaller(self, line: &str, size: usize) -> String {
        let (mut out, mut rest, old) = (String::new(), line, size.to_string());
        while let Some(at) = rest.find(&old) {
            let (head, tail) = rest.split_at(at);
            let tail = &tail[old.len()..];
            let is_apart = !head.ends_with(|c: char| c.is_alphanumeric())
                && !tail.starts_with(|c: char| c.is_alphanumeric());
            out.push_str(head);
            match is_apart {
                true => out.push_str(&(size / self.parts as usize).to_string()),
                false => out.push_str(&old),
            }
            rest = tail;
        }
        out + rest
    }
}

/// Whether a line is a comment that says something, the first of which is the title.
fn states_title(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|comment| !comment.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "# A law.\n# scales: 500\nb: update k 500 ttl=2s\nlease a ttl=90s\nfill key500 count=500\n\
        wait 1s\nevents w count=true\n---\nevents w: 500 puts, 1500 keys\n";

    fn scenario(text: &str) -> Scenario {
        let text = text
            .replace("events w count=true\n", "")
            .replace("events w: 500 puts, 1500 keys", "500 puts, 1500 keys");
        Scenario::parse("core/test.kv".as_ref(), "core/test.kv".into(), text)
            .expect("it is well-formed")
    }

    #[test]
    fn times_that_are_waited_for_grow_and_sizes_shrink_line_by_line() {
        let fit = Fit { times: 3, parts: 10, ..Fit::PLAIN };
        let fitted = fit.apply(&scenario(SCRIPT)).expect("it may be fitted");
        let expected = "# A law. [times × 3, sizes ÷ 10]\n# scales: 500\nb: update k 50 ttl=6000ms\nlease a ttl=90s\n\
            fill key500 count=50\nwait 3000ms\n---\n50 puts, 1500 keys\n";
        assert_eq!(fitted.text, expected);
        assert_eq!(Fit::of(&fitted.title), fit);
        assert_eq!(Fit::of("A law [of two]."), Fit::PLAIN);
    }

    #[test]
    fn sizes_follow_what_the_store_takes() {
        let text = "# A law.\n# sizes: max_value\nfill k size=1MiB\nread k\n---\nread k: (1048576 bytes, hash 18dc9ddb)\n\n\
            txn then \"fill a 2 512KiB\"\n---\nthen\n";
        let fit = Fit { max_value: 100, ..Fit::PLAIN };
        let fitted = fit.apply(&scenario(text)).expect("it may be fitted");
        let value = quote_value(&numbered_value(0, Some(100)));
        let expected = format!(
            "# A law. [max_value = 100]\n# sizes: max_value\nfill k size=100\nread k\n---\nread k: {value}\n\n\
             txn then \"fill a 2 50\"\n---\nthen\n"
        );
        assert_eq!(fitted.text, expected);
        assert_eq!(Fit::of(&fitted.title), fit);
    }

    #[test]
    fn a_fitted_scenario_keeps_its_name_and_its_way_of_reading_and_says_how_it_was_fitted() {
        let mut seen = 0;
        for scenario in crate::scenario::embedded().expect("the suite is well-formed") {
            for fit in [Fit { times: 2, ..Fit::PLAIN }, Fit { parts: 2, ..Fit::PLAIN }] {
                let Some(fitted) = fit.apply(&scenario) else { continue };
                assert_eq!((&fitted.name, &fitted.reading), (&scenario.name, &scenario.reading));
                assert_eq!(Fit::of(&fitted.title), fit, "{}", fitted.title);
                seen += usize::from(Scenario::script_of(&fitted.name).is_some());
            }
        }
        assert!(seen > 0, "some of them are second ways");
    }

    #[test]
    fn a_script_that_says_so_stays_as_it_is() {
        let exact = scenario("# A law.\n# exact: below the floor\nupdate k v ttl=2s\n---\nok\n");
        assert_eq!(Fit { times: 2, ..Fit::PLAIN }.apply(&exact), None);
        assert_eq!(Fit { parts: 2, ..Fit::PLAIN }.apply(&exact), None);
        assert_eq!(Fit { parts: 7, ..Fit::PLAIN }.apply(&scenario(SCRIPT)), None);
    }
}
