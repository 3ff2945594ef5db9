//! The page, read by the parser of a browser engine.

use std::sync::Arc;
use std::time::Duration;

use kvspec::event::{Outcome, RunEvent, Summary, Tally};
use kvspec::plan::Case;
use kvspec::report::Reporter;
use kvspec::report::html::Html;
use kvspec::scenario::Scenario;
use kvspec::store::WatchEvent;
use kvspec::transcript::{Answer, End, Entry, Events, Transcript};
use kvspec::verdict::judge;
use scraper::{ElementRef, Html as Document, Selector};

use super::{recorded, replayed, run};

fn page(make: impl FnOnce(&mut dyn Reporter)) -> String {
    let mut page = Vec::new();
    make(&mut Html::new(&mut page, "kvspec run"));
    String::from_utf8(page).expect("the page is UTF-8")
}

/// The page as a browser understands it, which must have nothing to mend.
fn parsed(page: &str) -> Document {
    let document = Document::parse_document(page);
    assert!(document.errors.is_empty(), "{:?}", document.errors);
    document
}

fn all<'a>(document: &'a Document, selector: &str) -> Vec<ElementRef<'a>> {
    document.select(&Selector::parse(selector).expect("a selector")).collect()
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect()
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let page = page(|report| run(report));
    let document = parsed(&page);
    assert_eq!(all(&document, "script").len(), 1);
    assert_eq!(
        all(
            &document,
            "link:not([href='data:,']), img, iframe, object, [src], [onclick], [onerror]"
        )
        .len(),
        0
    );
    let links = all(&document, "body [href]");
    assert!(links.iter().all(|link| link.attr("href").unwrap().starts_with('#')));
    let headlines: Vec<_> = all(&document, ".big").into_iter().map(text).collect();
    assert_eq!(headlines[0], "memory: 1 failed, 1 known to fail, 1 passed, 1 skipped");
    assert!(headlines[1].ends_with("<beta>: 3 errored, 1 skipped"), "{headlines:?}");
}

#[test]
fn every_case_has_its_law_clauses_and_verdict() {
    let document = parsed(&page(|report| run(report)));
    let cases = all(&document, "details.c");
    assert_eq!(cases.len(), 8);
    let verdict = |id: &str| {
        let found = all(&document, &format!("[id='{id}'] > summary > .v"));
        text(*found.first().unwrap_or_else(|| panic!("no {id}")))
    };
    assert_eq!(verdict("b0-core/pass"), "passed");
    assert_eq!(verdict("b0-core/fail"), "failed");
    assert_eq!(verdict("b0-core/known"), "known");
    assert_eq!(verdict("b0-directory/skip"), "skipped");
    assert_eq!(verdict("b1-core/pass"), "errored");
    let title = all(&document, "[id='b0-core/pass'] .title")[0];
    assert_eq!(text(title), "A <script> & a ]]> are keys like any other.");
    let clauses: Vec<_> =
        all(&document, "[id='b0-core/pass'] .cl li b").into_iter().map(text).collect();
    assert_eq!(clauses, ["K1", "W3"]);
    assert!(text(all(&document, "[id='b0-core/known'] .why")[0]).contains("<b>never</b> did"));
}

#[test]
fn the_difference_is_marked() {
    let document = parsed(&page(|report| run(report)));
    let marked =
        |selector: &str| all(&document, selector).into_iter().map(text).collect::<Vec<_>>();
    assert_eq!(marked("[id='b0-core/fail'] del"), ["read k: w"]);
    assert_eq!(marked("[id='b0-core/fail'] ins"), ["read k: v"]);
    assert_eq!(marked("[id='b0-core/fail'] .b.bad").len(), 1);
    assert_eq!(
        marked("[id='b0-core/pass'] del, [id='b0-core/pass'] ins, [id='b0-core/pass'] .bad").len(),
        0
    );
}

#[test]
fn the_grid_counts_every_group() {
    let document = parsed(&page(|report| run(report)));
    let rows = all(&document, "#grid tr");
    assert_eq!(rows.len(), 3);
    let cells = |row: ElementRef<'_>| {
        row.child_elements()
            .map(|cell| (text(cell), cell.attr("class").unwrap_or("").to_string()))
            .collect::<Vec<_>>()
    };
    let memory = cells(rows[1]);
    assert_eq!(memory[0].0, "memory");
    assert_eq!(memory[1], ("1/3".into(), "failed".into()));
    assert_eq!(memory.last().unwrap(), &("1/3".into(), "failed".into()));
    assert_eq!(cells(rows[2])[1], ("0/3".into(), "errored".into()));
}

#[test]
fn a_timeline_has_a_lane_for_every_key_and_watch() {
    let document = parsed(&page(|report| run(report)));
    let lanes: Vec<_> = all(&document, "[id='b0-core/pass'] .tl > svg > text:not([class])")
        .into_iter()
        .map(text)
        .collect();
    assert_eq!(lanes, [r#""<script>""#, r#""\xfe""#, "watch w"]);
    let marks = all(&document, "[id='b0-core/pass'] .tl use[href='#mp'] title");
    let marks: Vec<_> = marks.into_iter().map(text).collect();
    assert_eq!(marks, [r#"put "<script>" "\xff\x00]]>""#, r#"put "\xfe" "\x1b[31m""#]);
}

#[test]
fn a_recorded_run_makes_the_same_page() {
    let json = recorded();
    let one = page(|report| replayed(&json, report));
    assert_eq!(one, page(|report| replayed(&json, report)));
    assert_eq!(all(&parsed(&one), "details.c").len(), 8);
}

/// The page of one case in which a list was seen to answer these keys.
fn page_of(keys: Vec<Vec<u8>>) -> String {
    let script = "# A law.\n# clauses: K1\nwatch \"\" as=w\nlist \"\"\nevents w\n---\nlist \"\": (no keys)\nevents w: (no events)\n";
    let scenario = Scenario::parse("core/odd.kv".as_ref(), "odd.kv".into(), script.into());
    let scenario = Arc::new(scenario.expect("a good script"));
    let entry = |label: &str, answer| Entry {
        client: None,
        label: label.into(),
        at: Duration::ZERO,
        took: Duration::ZERO,
        answer,
    };
    let events = keys.iter().map(|key| WatchEvent::put(key.clone(), key.clone()).into()).collect();
    let entries = vec![
        entry("watch \"\"", Answer::Done),
        entry("list \"\"", Answer::Keys(keys)),
        entry("events w", Answer::Events(Events { events, ..Events::default() })),
    ];
    let transcript = Transcript { entries, ..Transcript::ended(End::Finished) };
    let verdict = judge(&scenario, &transcript);
    let case = Case::new("odd", scenario);
    let outcome = Outcome::new(case, verdict, Some(transcript), Duration::ZERO);
    page(|report| {
        let mut take = |event: RunEvent<'_>| report.take(&event).expect("memory takes all");
        take(RunEvent::TargetStarted {
            name: "odd",
            about: Ok(""),
            version: None,
            capabilities: None,
            cases: 1,
        });
        take(RunEvent::CaseFinished { outcome: &outcome });
        take(RunEvent::TargetFinished { name: "odd", tally: &Tally::default() });
        take(RunEvent::Finished { summary: &Summary::default() });
    })
}

#[test]
fn a_megabyte_of_binary_does_no_harm() {
    let binary = (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let page = page_of(vec![binary]);
    assert!(page.len() < 100_000, "{} bytes", page.len());
    assert_eq!(all(&parsed(&page), "details.c.failed").len(), 1);
}

#[test]
fn what_would_be_markup_stays_text() {
    let keys = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "--><svg onload=alert(1)>",
        "]]>",
        "\u{202e}txt",
    ];
    let page = page_of(keys.iter().map(|key| key.as_bytes().to_vec()).collect());
    let document = parsed(&page);
    assert_eq!(all(&document, "script").len(), 1);
    assert_eq!(all(&document, "img, svg svg svg, [onerror], [onload]").len(), 0);
    let lanes: Vec<_> =
        all(&document, ".tl > svg > text:not([class])").into_iter().map(text).collect();
    assert_eq!(lanes[0], r#""</script><script>alert(1)</script>""#);
    assert!(!page.contains('\u{202e}'), "the text would be turned round");
}
