//! Arguments: JSON text to WIT values and back, for types that the input chooses too.

use cordon_execute::json_values::{Val, parse, write};
use cordon_execute::{Field, Shape};

use crate::choices::Choices;

/// The first byte says how many bytes choose the type; the others are the text.
pub fn json(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let length = usize::from(choices.byte());
    let mut types = Choices::new(choices.bytes(length));
    let shape = shape(&mut types, 0);
    let text = choices.rest();
    let Ok(value) = parse(&shape, "argument", text) else {
        return;
    };
    let again = parse(&shape, "argument", text).expect("it was read before");
    assert_eq!(again, value, "one text is two values");
    let written = write(&shape, &value, usize::MAX).expect("there is no limit");
    serde_json::from_str::<serde_json::Value>(&written).expect("what we write is JSON");
    if written.contains("\"Infinity\"") || written.contains("\"-Infinity\"") {
        let text = String::from_utf8_lossy(text);
        // Escapes can spell the word, too.
        let given = text.contains("Infinity") || text.contains('\\');
        assert!(given, "a number became infinite");
    }
    // Inside of something, as a text that is a whole argument is taken as it is.
    let inside = Shape::Tuple(vec![shape]);
    let again = parse(&inside, "argument", format!("[{written}]").as_bytes());
    let again = again.expect("what we write we read");
    let twice = write(&inside, &again, usize::MAX).expect("there is no limit");
    assert_eq!(twice, format!("[{written}]"), "a value has two texts");
    assert_eq!(
        again,
        Val::Tuple(vec![value]),
        "a value changes when it is written"
    );
}

/// Deepest type; what a component may have is 32.
const DEPTH_MAX: usize = 5;

fn shape(choices: &mut Choices<'_>, depth: usize) -> Shape {
    let bits = |byte: u8| [8, 16, 32, 64][usize::from(byte >> 6)];
    let byte = choices.byte();
    let kinds = if depth < DEPTH_MAX { 16 } else { 10 };
    let mut inner = || shape(choices, depth + 1);
    match byte % kinds {
        0 => Shape::Bool,
        1 => Shape::Signed(bits(byte)),
        2 => Shape::Unsigned(bits(byte)),
        3 => Shape::Float32,
        4 => Shape::Float64,
        5 => Shape::Char,
        6 => Shape::String,
        7 => Shape::Bytes,
        8 => Shape::Enum(names("in-care", byte)),
        9 => Shape::Flags(names("b-c", byte)),
        10 => match inner() {
            Shape::Unsigned(8) => Shape::Bytes,
            item => Shape::List(Box::new(item)),
        },
        11 => Shape::Option(Box::new(inner())),
        12 => Shape::Tuple((0..=byte >> 6).map(|_| inner()).collect()),
        13 => Shape::Record((0..=byte >> 6).map(|i| field(i, inner())).collect()),
        14 => {
            let case = |i: u8| (format!("c{i}"), i.is_multiple_of(2).then(&mut inner));
            Shape::Variant((0..=byte >> 6).map(case).collect())
        }
        _ => {
            let ok = (byte & 0x40 != 0).then(|| Box::new(inner()));
            let err = (byte & 0x80 != 0).then(|| Box::new(inner()));
            Shape::Result(ok, err)
        }
    }
}

fn names(first: &str, byte: u8) -> Vec<String> {
    let more = (0..byte >> 6).map(|i| format!("n{i}"));
    std::iter::once(first.to_owned()).chain(more).collect()
}

fn field(index: u8, shape: Shape) -> Field {
    Field {
        name: format!("f-x{index}"),
        json_name: format!("fX{index}"),
        shape,
    }
}
