//! The text form (`WIRE.md` section 14):
//!
//! ```text
//! gate := AND(arg {, arg}) | OR(arg {, arg}) | OutOf(n, arg {, arg})    also And, Or, OUTOF
//! arg  := gate | 'MSPID.role' | "MSPID.role"
//! role := admin | member | client | peer | orderer
//! ```
//!
//! Space, tab and line ends may stand between tokens. The whole text is one gate.

use crate::endorsement::Rule;
use crate::limits::{DEPTH_MAX, PRINCIPALS_MAX, TEXT_BYTES_MAX};
use crate::{EndorsementPolicy, PolicyError, Principal};

const GATE: &str = "a gate (AND, OR or OutOf)";
const PRINCIPAL: &str = "MSPID.role, with role admin, member, client, peer or orderer";

impl EndorsementPolicy {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`PolicyError::Syntax`] with the place and what may stand there; the other variants when a
    /// limit is exceeded.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes: text.len() });
        }
        let mut parser = Parser {
            text,
            at: 0,
            principals: 0,
        };
        let root = parser.gate(1)?;
        parser.skip_space();
        if parser.at != text.len() {
            return Err(parser.unexpected("the end"));
        }
        Self::new(root)
    }
}

impl std::str::FromStr for EndorsementPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text)
    }
}

/// `at` is always a character boundary of `text`.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    principals: usize,
}

/// What a gate's name says about its `n`.
enum Gate {
    All,
    One,
    Counted,
}

impl Parser<'_> {
    fn gate(&mut self, depth: usize) -> Result<Rule, PolicyError> {
        if depth > DEPTH_MAX {
            return Err(PolicyError::TooDeep);
        }
        self.skip_space();
        let start = self.at;
        let gate = match self.take_while(|c| c.is_ascii_alphanumeric()) {
            "AND" | "And" => Gate::All,
            "OR" | "Or" => Gate::One,
            "OutOf" | "OUTOF" => Gate::Counted,
            _ => {
                self.at = start;
                return Err(self.unexpected(GATE));
            }
        };
        self.token('(', "'('")?;
        let mut count = None;
        if let Gate::Counted = gate {
            self.skip_space();
            let position = self.at;
            let digits = self.take_while(|c| c.is_ascii_digit());
            if digits.is_empty() {
                return Err(self.unexpected("a number"));
            }
            count = Some((position, digits.to_owned()));
            self.token(',', "','")?;
        }
        let rules = self.arguments(depth)?;
        let n = match (gate, count) {
            (Gate::One, _) => 1,
            (Gate::Counted, Some((position, digits))) => {
                // One above the number of arguments is allowed: a gate that is never satisfied.
                let most = rules.len() + 1;
                let n = digits
                    .parse::<u16>()
                    .ok()
                    .filter(|&n| usize::from(n) <= most);
                n.ok_or_else(|| PolicyError::Syntax {
                    position,
                    expected: format!("a number from 0 to {most}"),
                    found: digits.chars().take(16).collect(),
                })?
            }
            (Gate::All | Gate::Counted, _) => {
                u16::try_from(rules.len()).map_err(|_| PolicyError::TooManyPrincipals)?
            }
        };
        Ok(Rule::OutOf { n, rules })
    }

    /// One argument or more, and the closing parenthesis.
    fn arguments(&mut self, depth: usize) -> Result<Vec<Rule>, PolicyError> {
        let mut rules = Vec::new();
        loop {
            self.skip_space();
            rules.push(match self.peek() {
                Some(quote @ ('\'' | '"')) => self.principal(quote)?,
                Some(c) if c.is_ascii_alphabetic() => self.gate(depth + 1)?,
                _ => return Err(self.unexpected("a gate or a quoted principal")),
            });
            self.skip_space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    return Ok(rules);
                }
                _ => return Err(self.unexpected("',' or ')'")),
            }
        }
    }

    fn principal(&mut self, quote: char) -> Result<Rule, PolicyError> {
        self.at += 1;
        let start = self.at;
        let text = self.take_while(|c| c != quote);
        let Some(principal) = Principal::from_text(text) else {
            return Err(PolicyError::Syntax {
                position: start,
                expected: PRINCIPAL.to_owned(),
                found: text.chars().take(80).collect(),
            });
        };
        self.token(quote, "the closing quote")?;
        self.principals += 1;
        if self.principals > PRINCIPALS_MAX {
            return Err(PolicyError::TooManyPrincipals);
        }
        Ok(Rule::SignedBy(principal))
    }

    fn token(&mut self, token: char, expected: &str) -> Result<(), PolicyError> {
        self.skip_space();
        if self.peek() != Some(token) {
            return Err(self.unexpected(expected));
        }
        self.at += token.len_utf8();
        Ok(())
    }

    fn skip_space(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &str {
        let rest = &self.text[self.at..];
        let taken = &rest[..rest.find(|c| !keep(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn unexpected(&self, expected: &str) -> PolicyError {
        PolicyError::Syntax {
            position: self.at,
            expected: expected.to_owned(),
            found: self
                .peek()
                .map_or("the end".to_owned(), |c| format!("{c:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::any_policy;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_policy_are_equal() {
        for (text, canonical) in [
            ("AND('A.peer','B.peer')", "AND('A.peer', 'B.peer')"),
            (
                " And ( \"A.peer\" ,\n'B.peer' ) ",
                "AND('A.peer', 'B.peer')",
            ),
            ("OUTOF(2,'A.peer','B.peer')", "AND('A.peer', 'B.peer')"),
            ("Or('A.member')", "OR('A.member')"),
            ("AND('A.member')", "OR('A.member')"),
            ("OutOf(0,'A.admin')", "OutOf(0, 'A.admin')"),
            ("OutOf(2,'A.client')", "OutOf(2, 'A.client')"),
            (
                "OR('a.b-c.1.orderer', OutOf(1,'A.peer'))",
                "OR('a.b-c.1.orderer', OR('A.peer'))",
            ),
        ] {
            let policy = EndorsementPolicy::parse(text).unwrap();
            assert_eq!(policy.to_string(), canonical);
            assert_eq!(EndorsementPolicy::parse(canonical).unwrap(), policy);
        }
    }

    #[test]
    fn errors_name_the_place_and_what_may_stand_there() {
        for (text, at, says) in [
            ("", 0, "a gate"),
            ("'A.peer'", 0, "a gate"),
            ("and('A.peer')", 0, "a gate"),
            ("NOutOf(1,'A.peer')", 0, "a gate"),
            ("AND'A.peer'", 3, "'('"),
            ("AND()", 4, "a gate or a quoted principal"),
            ("AND('A.peer',)", 13, "a gate or a quoted principal"),
            ("AND('A.peer'", 12, "',' or ')'"),
            ("AND('A.peer')x", 13, "the end"),
            ("AND('A.peer)", 5, "MSPID.role"),
            ("AND('A.peer", 11, "the closing quote"),
            ("AND('A.peer\")", 5, "MSPID.role"),
            ("AND('A.Peer')", 5, "MSPID.role"),
            ("AND('A_B.peer')", 5, "MSPID.role"),
            ("AND('.peer')", 5, "MSPID.role"),
            ("AND('A')", 5, "MSPID.role"),
            ("AND(é)", 4, "a gate or a quoted principal"),
            ("OutOf('A.peer')", 6, "a number"),
            ("OutOf(1)", 7, "','"),
            ("OutOf(-1,'A.peer')", 6, "a number"),
            ("OutOf(3,'A.peer')", 6, "from 0 to 2"),
            ("OutOf(99999999999,'A.peer')", 6, "from 0 to 2"),
        ] {
            match EndorsementPolicy::parse(text) {
                Err(PolicyError::Syntax {
                    position, expected, ..
                }) => {
                    assert_eq!(position, at, "{text}");
                    assert!(expected.contains(says), "{text}: {expected}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn limits_hold() {
        let nested = |depth: usize| "OR(".repeat(depth) + "'A.peer'" + &")".repeat(depth);
        assert!(EndorsementPolicy::parse(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(
            EndorsementPolicy::parse(&nested(DEPTH_MAX + 1)),
            Err(PolicyError::TooDeep)
        );
        assert_eq!(
            EndorsementPolicy::parse(&nested(20_000)),
            Err(PolicyError::TooDeep)
        );

        let wide = |count: usize| format!("OR({})", vec!["'A.peer'"; count].join(","));
        assert!(EndorsementPolicy::parse(&wide(PRINCIPALS_MAX)).is_ok());
        let refused = EndorsementPolicy::parse(&wide(PRINCIPALS_MAX + 1));
        assert_eq!(refused, Err(PolicyError::TooManyPrincipals));

        let twice = format!("OutOf(2,{})", vec!["'A.peer'"; 17].join(","));
        let refused = EndorsementPolicy::parse(&twice);
        assert_eq!(refused, Err(PolicyError::TooContested { contested: 17 }));
        let long = " ".repeat(TEXT_BYTES_MAX + 1);
        assert!(matches!(
            EndorsementPolicy::parse(&long),
            Err(PolicyError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn canonical_text_parses_to_the_same_policy(policy in any_policy()) {
            prop_assert_eq!(EndorsementPolicy::parse(&policy.to_string()).unwrap(), policy);
        }

        #[test]
        fn hostile_text_never_panics(text in "[ANDORutf(),'\"0-9a-c.é ]{0,60}") {
            let _ = EndorsementPolicy::parse(&text);
        }
    }
}
