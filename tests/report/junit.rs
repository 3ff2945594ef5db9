//! JUnit XML, read by a parser that others wrote, and held against the rules that Jenkins and Surefire read it by.

use std::collections::BTreeMap;

use kvspec::report::junit::Junit;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

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
            let value = attribute.unescape_value().expect("its value is escaped");
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

/// What the schemas of Jenkins and of Surefire both demand.
fn check(root: &Element) {
    assert_eq!(root.name, "testsuites");
    for suite in &root.children {
        assert_eq!(suite.name, "testsuite");
        assert_eq!(suite.attributes["tests"], suite.all("testcase").count().to_string());
        assert_eq!(suite.attributes["failures"], suite.count("failure"));
        assert_eq!(suite.attributes["errors"], suite.count("error"));
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
