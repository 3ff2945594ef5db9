//! JUnit XML, read by a parser that others wrote, and held against the rules that Jenkins and Surefire read it by.

use std::collections::BTreeMap;

use junit_parser::{TestStatus, TestSuite};
use kvspec::report::junit::Junit;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{recorded, replayed};

/// An element, its attributes, and what it holds.
#[derive(Debug, Default, Clone)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
}

impl Element {
    fn of(start: &BytesStart) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.expect("an attribute is well-formed");
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).expect("its value is escaped");
            (text(attribute.key.as_ref()), value.into_owned())
        });
        let (name, attributes) = (text(start.name().as_ref()), attributes.collect());
        Self { name, attributes, children: Vec::new() }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn count(&self, name: &str) -> String {
        let cases = self.all("testcase");
        cases.filter(|case| case.all(name).count() > 0).count().to_string()
    }
}

fn parse(xml: &[u8]) -> Element {
    let text = std::str::from_utf8(xml).expect("it is UTF-8");
    let is_allowed = |c: char| c >= ' ' || "\t\n\r".contains(c);
    assert!(text.chars().all(is_allowed), "a character that XML has not");
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().expect("it is well-formed") {
            Event::Start(start) => open.push(Element::of(&start)),
            Event::Empty(start) => open.last_mut().unwrap().children.push(Element::of(&start)),
            Event::End(_) => {
                let done = open.pop().unwrap();
                open.last_mut().unwrap().children.push(done);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(open.len(), 1, "every element ends");
    open[0].children[0].clone()
}

/// The attributes that the schema of Jenkins has; of those after the bar it has none, and readers make use of them.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("testsuites", "name time tests failures errors | skipped"),
    ("testsuite", "name tests failures errors time skipped timestamp"),
    ("property", "name value"),
    ("testcase", "name time classname | file line"),
    ("failure", "type message"),
    ("error", "type message"),
    ("skipped", "type message"),
];

fn check_attributes(element: &Element) {
    let known = ATTRIBUTES.iter().find(|(name, _)| *name == element.name);
    let known = known.map_or("", |(_, attributes)| attributes);
    for name in element.attributes.keys() {
        assert!(known.split(' ').any(|one| one == name), "{}: {name}", element.name);
    }
    element.children.iter().for_each(check_attributes);
}

/// What the schemas of Jenkins and of Surefire both demand.
fn check(root: &Element) {
    assert_eq!(root.name, "testsuites");
    check_attributes(root);
    for suite in &root.children {
        assert_eq!(suite.name, "testsuite");
        assert_eq!(suite.attributes["tests"], suite.all("testcase").count().to_string());
        assert_eq!(suite.attributes["failures"], suite.count("failure"));
        assert_eq!(suite.attributes["errors"], suite.count("error"));
        assert_eq!(suite.attributes["skipped"], suite.count("skipped"));
        assert!(suite.attributes["time"].parse::<f64>().is_ok());
        for case in suite.all("testcase") {
            assert!(
                !case.attributes["name"].is_empty() && !case.attributes["classname"].is_empty()
            );
            assert!(case.attributes["time"].parse::<f64>().is_ok());
            let ends = ["failure", "error", "skipped"];
            let ended = case.children.iter().filter(|child| ends.contains(&child.name.as_str()));
            assert!(ended.count() <= 1, "{case:?}");
        }
    }
}

#[test]
fn failure_error_and_skipped_are_told_apart() {
    let mut xml = Vec::new();
    replayed(&recorded(), &mut Junit::new(&mut xml, "kvspec run"));
    let root = parse(&xml);
    check(&root);
    let [memory, broken] = root.children.as_slice() else { panic!("two suites: {root:?}") };
    assert_eq!(
        (memory.attributes["name"].as_str(), memory.attributes["tests"].as_str()),
        ("memory", "4")
    );
    assert_eq!((memory.count("failure"), memory.count("skipped")), ("1".into(), "2".into()));
    assert_eq!((broken.count("error"), broken.count("skipped")), ("3".into(), "1".into()));

    let case = |suite: &Element, name: &str| {
        suite.all("testcase").find(|case| case.attributes["name"] == name).unwrap().clone()
    };
    let fail = case(memory, "fail");
    assert_eq!(fail.attributes["classname"], "memory.core");
    assert_eq!(fail.attributes["file"], "scripts/core/fail.kv");
    assert_eq!(fail.attributes["line"], "4");
    assert_eq!(fail.all("system-out").count(), 1);
    let known = case(memory, "known").all("skipped").next().unwrap().clone();
    assert_eq!(known.attributes["message"], "<b>never</b> did");
    let error = case(broken, "pass").all("error").next().unwrap().clone();
    assert!(error.attributes["message"].contains("order <&>"), "{error:?}");
}

/// What a reader of such files takes from the same run.
#[test]
fn a_reader_finds_everything_in_its_place() {
    let mut xml = Vec::new();
    replayed(&recorded(), &mut Junit::new(&mut xml, "kvspec run"));
    let read = junit_parser::from_reader(xml.as_slice()).expect("it is JUnit XML");
    assert_eq!((read.tests, read.failures, read.errors, read.skipped), (8, 1, 3, 3));
    let [memory, broken] = read.suites.as_slice() else { panic!("two suites: {read:?}") };
    for (suite, name, counts) in [(memory, "memory", (1, 0, 2)), (broken, "broken", (0, 3, 1))] {
        assert_eq!((suite.name.as_str(), suite.tests, suite.cases.len()), (name, 4, 4));
        assert_eq!((suite.failures, suite.errors, suite.skipped), counts);
        let count = |is: fn(&TestStatus) -> bool| {
            suite.cases.iter().filter(|case| is(&case.status)).count() as u64
        };
        let told = (count(TestStatus::is_failure), count(TestStatus::is_error));
        assert_eq!((told.0, told.1, count(TestStatus::is_skipped)), counts);
        assert!(suite.timestamp.is_some() && suite.time >= 0.0);
    }
    assert_eq!(property(memory, "kvspec"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(property(memory, "about"), Some("virtual time"));
    assert_eq!(property(memory, "version"), None);
    assert_eq!(property(broken, "version"), Some("0.0 <beta>"));
}

fn property<'a>(suite: &'a TestSuite, name: &str) -> Option<&'a str> {
    let mut properties = suite.properties.vec.iter();
    properties.find(|(told, _)| told == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_reader_learns_why_a_case_did_not_pass() {
    let mut xml = Vec::new();
    replayed(&recorded(), &mut Junit::new(&mut xml, "kvspec run"));
    let read = junit_parser::from_reader(xml.as_slice()).expect("it is JUnit XML");
    let case = |suite: usize, name: &str| {
        let mut cases = read.suites[suite].cases.iter();
        cases.find(|case| case.original_name == name).expect("the case is there")
    };
    let fail = case(0, "fail");
    assert_eq!((fail.classname.as_deref(), fail.line), (Some("memory.core"), Some(4)));
    assert_eq!(fail.file.as_deref(), Some("scripts/core/fail.kv"));
    let failure = fail.status.failure_as_ref();
    assert_eq!((&*failure.failure_type, &*failure.message), ("failed", "Wrong on purpose."));
    assert!(failure.text.contains("\n  -   6 │ read k: w\n  +     │ read k: v\n"), "{failure:?}");
    assert!(fail.system_out.as_deref().is_some_and(|out| out.contains("read k: v")), "{fail:?}");

    let known = case(0, "known").status.skipped_as_ref();
    assert_eq!((&*known.skipped_type, &*known.message), ("known failure", "<b>never</b> did"));
    let skip = case(0, "skip").status.skipped_as_ref();
    assert_eq!((&*skip.skipped_type, &*skip.message), ("skipped", "the store has no directories"));
    let error = case(1, "pass").status.error_as_ref();
    assert_eq!(error.error_type, "errored");
    assert!(error.message.ends_with("order <&>"), "{error:?}");
    let pass = case(0, "pass");
    assert!(pass.status.is_success());
    assert!(
        pass.system_out
            .as_deref()
            .is_some_and(|out| out.contains("\n     0s +0s      events w:\n")),
        "{pass:?}"
    );
}
