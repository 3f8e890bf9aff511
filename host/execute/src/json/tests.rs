//! JSON → WIT value → JSON, for generated types and values, and refusals by path.

use proptest::prelude::*;

use super::*;

fn field(name: &str, shape: Shape) -> Field {
    Field {
        name: name.to_owned(),
        json_name: crate::shape::camel_case(name),
        shape,
    }
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Bool),
        prop::sample::select(vec![8u8, 16, 32, 64]).prop_map(Shape::Signed),
        prop::sample::select(vec![8u8, 16, 32, 64]).prop_map(Shape::Unsigned),
        Just(Shape::Float32),
        Just(Shape::Float64),
        Just(Shape::Char),
        Just(Shape::String),
        Just(Shape::Bytes),
        Just(Shape::Enum(vec!["in-care".into(), "discharged".into()])),
        Just(Shape::Flags(vec!["a".into(), "b-c".into(), "d".into()])),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|s| match s {
                Shape::Unsigned(8) => Shape::Bytes,
                s => Shape::List(Box::new(s)),
            }),
            inner.clone().prop_map(|s| Shape::Option(Box::new(s))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::Tuple),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|shapes| Shape::Record(
                shapes
                    .into_iter()
                    .enumerate()
                    .map(|(i, s)| field(&format!("f-x{i}"), s))
                    .collect()
            )),
            prop::collection::vec(prop::option::of(inner.clone()), 1..4).prop_map(|shapes| {
                Shape::Variant(
                    shapes
                        .into_iter()
                        .enumerate()
                        .map(|(i, s)| (format!("c{i}"), s))
                        .collect(),
                )
            }),
            (prop::option::of(inner.clone()), prop::option::of(inner))
                .prop_map(|(ok, err)| Shape::Result(ok.map(Box::new), err.map(Box::new))),
        ]
    })
}

fn boxed_payload(shape: Option<&Shape>) -> BoxedStrategy<Option<Box<Val>>> {
    match shape {
        None => Just(None).boxed(),
        Some(shape) => any_value(shape).prop_map(|v| Some(Box::new(v))).boxed(),
    }
}

fn any_value(shape: &Shape) -> BoxedStrategy<Val> {
    match shape {
        Shape::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Shape::Signed(8) => any::<i8>().prop_map(Val::S8).boxed(),
        Shape::Signed(16) => any::<i16>().prop_map(Val::S16).boxed(),
        Shape::Signed(32) => any::<i32>().prop_map(Val::S32).boxed(),
        Shape::Signed(_) => any::<i64>().prop_map(Val::S64).boxed(),
        Shape::Unsigned(8) => any::<u8>().prop_map(Val::U8).boxed(),
        Shape::Unsigned(16) => any::<u16>().prop_map(Val::U16).boxed(),
        Shape::Unsigned(32) => any::<u32>().prop_map(Val::U32).boxed(),
        Shape::Unsigned(_) => any::<u64>().prop_map(Val::U64).boxed(),
        // The engine canonicalises NaNs, so one NaN stands for all.
        Shape::Float32 => any::<u32>()
            .prop_map(|bits| {
                let value = f32::from_bits(bits);
                Val::Float32(if value.is_nan() { f32::NAN } else { value })
            })
            .boxed(),
        Shape::Float64 => any::<u64>()
            .prop_map(|bits| {
                let value = f64::from_bits(bits);
                Val::Float64(if value.is_nan() { f64::NAN } else { value })
            })
            .boxed(),
        Shape::Char => any::<char>().prop_map(Val::Char).boxed(),
        Shape::String => any::<String>().prop_map(Val::String).boxed(),
        Shape::Bytes => prop::collection::vec(any::<u8>(), 0..9)
            .prop_map(|bytes| Val::List(bytes.into_iter().map(Val::U8).collect()))
            .boxed(),
        Shape::List(item) => prop::collection::vec(any_value(item), 0..4)
            .prop_map(Val::List)
            .boxed(),
        Shape::Record(fields) => fields
            .iter()
            .map(|f| (Just(f.name.clone()), any_value(&f.shape)))
            .collect::<Vec<_>>()
            .prop_map(Val::Record)
            .boxed(),
        Shape::Tuple(shapes) => shapes
            .iter()
            .map(any_value)
            .collect::<Vec<_>>()
            .prop_map(Val::Tuple)
            .boxed(),
        Shape::Variant(cases) => prop::sample::select(cases.clone())
            .prop_flat_map(|(name, shape)| {
                boxed_payload(shape.as_ref()).prop_map(move |p| Val::Variant(name.clone(), p))
            })
            .boxed(),
        Shape::Enum(names) => prop::sample::select(names.clone())
            .prop_map(Val::Enum)
            .boxed(),
        Shape::Option(some) => {
            let some = any_value(some).prop_map(|v| Val::Option(Some(Box::new(v))));
            prop_oneof![Just(Val::Option(None)), some].boxed()
        }
        Shape::Result(ok, err) => prop_oneof![
            boxed_payload(ok.as_deref()).prop_map(|v| Val::Result(Ok(v))),
            boxed_payload(err.as_deref()).prop_map(|v| Val::Result(Err(v))),
        ]
        .boxed(),
        Shape::Flags(names) => prop::sample::subsequence(names.clone(), 0..=names.len())
            .prop_map(Val::Flags)
            .boxed(),
    }
}

fn to_json(shape: &Shape, value: &Val) -> String {
    write(shape, value, usize::MAX).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn json_is_written_to_its_limit_and_no_further(
        (shape, value) in any_shape().prop_flat_map(|shape| {
            let values = any_value(&shape);
            (Just(shape), values)
        })
    ) {
        let text = to_json(&shape, &value);
        prop_assert_eq!(write(&shape, &value, text.len()), Some(text.clone()));
        for less in 0..text.len().min(100) {
            prop_assert_eq!(write(&shape, &value, less), None);
        }
        prop_assert_eq!(write(&shape, &value, text.len() - 1), None);
    }

    #[test]
    fn json_to_value_to_json_is_the_identity(
        (shape, value) in any_shape().prop_flat_map(|shape| {
            let values = any_value(&shape);
            (Just(shape), values)
        })
    ) {
        let json = match (&shape, &value) {
            (Shape::String, Val::String(text)) => text.clone(),
            _ => to_json(&shape, &value),
        };
        let read = parse(&shape, "p", json.as_bytes()).unwrap();
        // NaN is not equal to itself, so values are compared as what they print.
        prop_assert_eq!(to_json(&shape, &read), to_json(&shape, &value));
        if !json.contains("NaN") {
            prop_assert_eq!(read, value);
        }
    }

    #[test]
    fn hostile_text_is_refused_or_read_but_never_panics(
        shape in any_shape(),
        text in "[\\[\\]{}\":,a-z0-9.eE+\\-nul ]{0,40}",
    ) {
        let read = parse(&shape, "p", text.as_bytes());
        if let (Ok(value), false) = (read, matches!(shape, Shape::String)) {
            let json = to_json(&shape, &value);
            prop_assert_eq!(to_json(&shape, &parse(&shape, "p", json.as_bytes()).unwrap()), json);
        }
    }
}

#[test]
fn refusals_name_the_path_of_the_field() {
    let test = Shape::Record(vec![
        field("name", Shape::String),
        field("score", Shape::Option(Box::new(Shape::Unsigned(8)))),
    ]);
    let shape = Shape::Record(vec![
        field("patient-id", Shape::String),
        field("tests", Shape::List(Box::new(test))),
        field("count", Shape::Unsigned(64)),
        field(
            "state",
            Shape::Enum(vec!["in-care".into(), "discharged".into()]),
        ),
    ]);
    let good =
        r#"{"patientId":"p","tests":[{"name":"x"}],"count":"9007199254740993","state":"in-care"}"#;
    assert!(parse(&shape, "note", good.as_bytes()).is_ok());
    for (json, expected) in [
        ("", "note: malformed JSON at line 1 column 0"),
        ("{", "note: malformed JSON at line 1 column 1"),
        ("[]", "note: expected an object, found an array"),
        (
            r#"{"patientId":1}"#,
            "note.patientId: expected a text, found a number",
        ),
        (r#"{"patientID":"p"}"#, "note.patientID: unknown field"),
        (
            r#"{"patientId":"p","patientId":"q"}"#,
            "note.patientId: field given twice",
        ),
        (
            r#"{"patientId":"p","count":1,"state":"in-care"}"#,
            "note.tests: missing field",
        ),
        (
            r#"{"patientId":"p","tests":[{"name":"a"},{"name":"b","score":256}],"count":1,"state":"x"}"#,
            "note.tests[1].score: number out of range",
        ),
        (
            r#"{"patientId":"p","tests":[],"count":-1,"state":"in-care"}"#,
            "note.count: number out of range",
        ),
        (
            r#"{"patientId":"p","tests":[],"count":1.5,"state":"in-care"}"#,
            "note.count: expected a whole number in range",
        ),
        (
            r#"{"patientId":"p","tests":[],"count":1,"state":"away"}"#,
            "note.state: expected one of: in-care, discharged",
        ),
    ] {
        let error = parse(&shape, "note", json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{json}");
    }
    let error = parse(&Shape::String, "patient-id", &[0xff]).unwrap_err();
    assert_eq!(error.to_string(), "patient-id: not UTF-8 text");
}

#[test]
fn an_optional_text_is_taken_bare_or_as_json() {
    let shape = Shape::Option(Box::new(Shape::String));
    let read = |text: &str| parse(&shape, "digest", text.as_bytes()).unwrap();
    let some = |text: &str| Val::Option(Some(Box::new(Val::String(text.to_owned()))));
    for (given, expected) in [
        ("3ac4", some("3ac4")),
        ("\"3ac4\"", some("3ac4")),
        ("12", some("12")),
        ("true", some("true")),
        ("two words", some("two words")),
        ("", some("")),
        ("\"null\"", some("null")),
        ("null", Val::Option(None)),
    ] {
        assert_eq!(read(given), expected, "{given}");
    }
}

/// `1e39` was taken as infinite: fuzz target `json`.
#[test]
fn a_number_beyond_the_range_of_its_type_is_refused() {
    let read = |shape: &Shape, text: &str| {
        let value = parse(shape, "dose", text.as_bytes());
        value.map_err(|error| error.to_string())
    };
    let refused = Err("dose: number out of range".to_owned());
    for text in ["1e39", "-1e39", "3.4028236e38"] {
        assert_eq!(read(&Shape::Float32, text), refused, "{text}");
        assert!(read(&Shape::Float64, text).is_ok(), "{text}");
    }
    assert!(read(&Shape::Float64, "1e309").is_err());
    let largest = Ok(Val::Float32(f32::MAX));
    assert_eq!(read(&Shape::Float32, "3.4028235e38"), largest);
    let infinite = Ok(Val::Float32(f32::INFINITY));
    assert_eq!(read(&Shape::Float32, "\"Infinity\""), infinite);
}

/// Three bytes of JSON stand for a record, however many fields it may leave out.
#[test]
fn fields_that_are_left_out_are_counted() {
    let fields = (0..1_000).map(|n| field(&format!("f{n}"), Shape::Option(Box::new(Shape::Bool))));
    let record = Shape::Record(fields.collect());
    let records = |count: usize| {
        let json = format!("[{}]", vec!["{}"; count].join(","));
        parse(
            &Shape::List(Box::new(record.clone())),
            "records",
            json.as_bytes(),
        )
    };
    assert!(records(200).is_ok());
    assert_eq!(
        records(201).unwrap_err().to_string(),
        "records: more than 200000 fields are left out"
    );
}
