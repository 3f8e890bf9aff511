/**
 * What a contract in JavaScript needs beside its rules, in the words and bytes of the SDK for Rust
 * (../sdk): refusals, checks of what clients send, composite keys, records as postcard, and time.
 *
 * A contract that one of the two has built can take the other's place: they read each other's state.
 * So nothing here may change by a byte; `tests/tests/other_language.rs` holds it to that.
 */

import * as state from "cordon:contract/state@1.0.0";

// A contract has neither clock nor chance. The engine has both, of the moment when the component was
// built; without them a contract that asks for either ends, and does not go on with a constant.
delete globalThis.Date;
delete globalThis.performance;
delete Math.random;

// === Refusals ===

/** Longest id that is accepted, in bytes: three parts of a key have to fit into 1,024. */
const ID_BYTES_MAX = 256;
/** Longest other text that is accepted, in bytes: several of them have to fit into a value of 1 MiB. */
const TEXT_BYTES_MAX = 65_536;
/** Longest key that a host accepts, in bytes. */
const KEY_BYTES_MAX = 1024;
/** Most entries that a host gives at once. */
const SCAN_LIMIT_MAX = 1000;

/*
 * To refuse is to throw one of these: `throw notFound("…")`. The text is a sentence for the person who
 * asks; it is endorsed and shown, and holds nothing of anybody's record. Whatever else is thrown is a
 * fault: the call traps, and its client sees status 500. Either way nothing is written.
 */
export const invalid = (text) => ({ tag: "invalid", val: text });
export const forbidden = (text) => ({ tag: "forbidden", val: text });
export const notFound = (text) => ({ tag: "not-found", val: text });
export const conflict = (text) => ({ tag: "conflict", val: text });

// === Checks ===

/** Unicode's White_Space, which is what Rust trims; String.prototype.trim takes U+FEFF and leaves U+0085. */
const BLANK = /^[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;

/** A text that must be given. It is kept as it was sent, white space around it included. */
export function checkText(field, text) {
  if (BLANK.test(text)) throw invalid(`${field} must not be empty.`);
  checkLength(field, text, TEXT_BYTES_MAX);
}

/** A text that can be a part of a key. */
export function checkId(field, id) {
  checkText(field, id);
  checkLength(field, id, ID_BYTES_MAX);
  if (isReserved(id)) {
    throw invalid(`${field} must not contain the characters U+0000 and U+10FFFF.`);
  }
}

/** A text that may be left out (`null`); a blank one counts as left out, since forms send those. */
export function optionalText(field, text) {
  if (text === null || BLANK.test(text)) return null;
  checkLength(field, text, TEXT_BYTES_MAX);
  return text;
}

function checkLength(field, text, max) {
  // A character has three bytes at most, or four and counts as two.
  if (text.length * 3 > max && toUtf8(text).length > max) {
    throw invalid(`${field} is too long: it has at most ${max} bytes.`);
  }
}

/** Whether keys reserve one of its characters. */
function isReserved(text) {
  return text.includes("\0") || text.includes("\u{10FFFF}");
}

/** The caller's enrollment id; a certificate without one names nobody. */
export function requireEnrollmentId(caller) {
  if (caller.enrollmentId === "") {
    throw forbidden("Your certificate does not say who you are: it has no enrollment id.");
  }
  return caller.enrollmentId;
}

// === Text as bytes ===

/*
 * Within this file bytes are a string with one character for each byte. The engine's own functions are
 * many times faster than a loop over bytes here, and fuel counts what the engine does; so they are used
 * for what they were not made for.
 */

/** UTF-8. The engine's strings may hold half a character, which no host takes: that is a fault. */
const toUtf8 = (text) => unescape(encodeURIComponent(text));
const fromUtf8 = (bytes) => decodeURIComponent(escape(bytes));

const toArray = (bytes) => Uint8Array.fromBase64(btoa(bytes));
const fromArray = (array) => atob(array.toBase64());

/** A text for the payload of an event. */
export const utf8 = (text) => toArray(toUtf8(text));

// === Records as bytes: postcard ===

/*
 * A codec is `write(value)`, which gives bytes, and `read(input)`, which takes from `input.bytes` at
 * `input.at`. The same value always gives the same bytes. Fields have no names in them: a record that
 * is stored may not be changed by adding, removing or reordering fields.
 */

function writeVarint(number) {
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError("no whole number");
  let bytes = "";
  while (number >= 0x80) {
    // Not by shifting, which is for 32 bits.
    bytes += String.fromCharCode(0x80 | number % 0x80);
    number = Math.floor(number / 0x80);
  }
  return bytes + String.fromCharCode(number);
}

function readVarint(input) {
  const first = readByte(input);
  if (first < 0x80) return first;
  let number = first - 0x80;
  for (let scale = 0x80; ; scale *= 0x80) {
    const byte = readByte(input);
    number += (byte & 0x7f) * scale;
    if (!Number.isSafeInteger(number)) throw new RangeError("a number out of range");
    if (byte < 0x80) return number;
  }
}

function readByte(input) {
  const byte = input.bytes.charCodeAt(input.at++);
  if (Number.isNaN(byte)) throw new RangeError("a record ends too early");
  return byte;
}

export const text = {
  write(value) {
    const bytes = toUtf8(value);
    return writeVarint(bytes.length) + bytes;
  },
  read(input) {
    const end = readVarint(input) + input.at;
    if (end > input.bytes.length) throw new RangeError("a record ends too early");
    const bytes = input.bytes.slice(input.at, end);
    input.at = end;
    return fromUtf8(bytes);
  },
};

/** An unsigned whole number of up to 53 bits. */
export const unsigned = { write: writeVarint, read: readVarint };

/** A whole number of up to 52 bits with its sign. */
export const signed = {
  write: (value) => writeVarint(value < 0 ? -2 * value - 1 : 2 * value),
  read(input) {
    const number = readVarint(input);
    return number % 2 === 0 ? number / 2 : -(number + 1) / 2;
  },
};

/** `null` or a value. */
export const optional = (codec) => ({
  write: (value) => (value === null ? "\0" : `\x01${codec.write(value)}`),
  read: (input) => (readByte(input) === 0 ? null : codec.read(input)),
});

/** An object with these fields, in this order: `record({ name: text, age: unsigned })`. */
export function record(fields) {
  // Plain loops: the engine takes an iterator apart at some cost, and records are read by the thousand.
  const names = Object.keys(fields);
  const codecs = Object.values(fields);
  return {
    write(value) {
      let bytes = "";
      for (let at = 0; at < names.length; at++) bytes += codecs[at].write(value[names[at]]);
      return bytes;
    },
    read(input) {
      const value = {};
      for (let at = 0; at < names.length; at++) value[names[at]] = codecs[at].read(input);
      return value;
    },
  };
}

// === Records by key ===

/**
 * The key of some parts: U+0000, then each part with U+0000 behind it. Different parts give different
 * keys, and a key begins with that of its leading parts only if it has them.
 */
function key(parts) {
  const text = `\0${parts.join("\0")}\0`;
  const bytes = toUtf8(text).length;
  if (bytes > KEY_BYTES_MAX) {
    throw invalid(`The names are too long: a key has at most 1,024 bytes, this would have ${bytes}.`);
  }
  if (parts.some(isReserved)) throw invalid("A name must not contain U+0000 or U+10FFFF.");
  return text;
}

/**
 * All records of one kind, each under the key of the kind and some parts. Keep one record per key: a
 * list under one key makes any two transactions that add to it conflict.
 */
export class Collection {
  #kind;
  #codec;

  constructor(kind, codec) {
    this.#kind = kind;
    this.#codec = codec;
  }

  /** The record with this key; `null` when there is none. */
  get(parts) {
    const value = state.get(key([this.#kind, ...parts]));
    return value === null ? null : this.#read(value);
  }

  /** Whether there is a record with this key. */
  has(parts) {
    return state.get(key([this.#kind, ...parts])) !== null;
  }

  /** Writes the record, whether or not there was one with this key. */
  put(parts, value) {
    state.put(key([this.#kind, ...parts]), toArray(this.#codec.write(value)));
  }

  /** All records whose keys begin with these parts, in the order of keys, however many pages they are. */
  values(leading) {
    const values = [];
    this.#visit(leading, (entry) => values.push(this.#read(entry.value)));
    return values;
  }

  /** How many `values` would give. */
  count(leading) {
    let count = 0;
    this.#visit(leading, () => count++);
    return count;
  }

  #read(value) {
    return this.#codec.read({ bytes: fromArray(value), at: 0 });
  }

  #visit(leading, see) {
    const range = { tag: "prefix", val: key([this.#kind, ...leading]) };
    let after = null;
    do {
      const page = state.scan(range, SCAN_LIMIT_MAX, after);
      page.entries.forEach(see);
      after = page.next;
    } while (after !== null);
  }
}

// === Time ===

/** A moment of the client's as it is stored. */
export const moment = record({ seconds: signed, nanoseconds: unsigned });

/** A moment as RFC 3339 in UTC, such as `2026-11-20T09:30:00.25Z`; no trailing zeros in the fraction. */
export function rfc3339({ seconds, nanoseconds }) {
  const day = Math.floor(seconds / 86_400);
  const second = seconds - day * 86_400;
  const [year, month, date] = civilDate(day);
  const digits = (number, count) => String(number).padStart(count, "0");
  const sign = year < 0 ? "-" : year > 9999 ? "+" : "";
  const days = `${sign}${digits(Math.abs(year), 4)}-${digits(month, 2)}-${digits(date, 2)}`;
  const [hours, minutes] = [Math.floor(second / 3600), Math.floor(second / 60) % 60];
  const time = `${digits(hours, 2)}:${digits(minutes, 2)}:${digits(second % 60, 2)}`;
  const fraction = nanoseconds === 0 ? "" : `.${digits(nanoseconds, 9).replace(/0+$/, "")}`;
  return `${days}T${time}${fraction}Z`;
}

/**
 * Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar extended to all times.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
 */
function civilDate(days) {
  const floor = Math.floor;
  // Counted from 0000-03-01, so that the leap day is the last of its year.
  days += 719_468;
  const era = floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = floor(
    (dayOfEra - floor(dayOfEra / 1_460) + floor(dayOfEra / 36_524) - floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + floor(yearOfEra / 4) - floor(yearOfEra / 100));
  const monthFromMarch = floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}

/** 24 hex digits whose order as text is the order in time, for keys that are scanned in that order. */
export function sortKey({ seconds, nanoseconds }) {
  const high = Math.floor(seconds / 2 ** 32);
  const hex = (number) => (number >>> 0).toString(16).padStart(8, "0");
  // Flipping the sign bit puts what is before 1970 before it.
  return hex(high ^ 0x80000000) + hex(seconds - high * 2 ** 32) + hex(nanoseconds);
}
