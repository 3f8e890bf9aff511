/**
 * Electronic medical records, in JavaScript: the same contract as ../../emr, whose WIT says what its
 * functions promise, with the same state byte for byte.
 *
 * Each rule checks its input, then the caller, and only then reads a record. That the caller is a clerk,
 * physician or patient was decided by the channel's access policy before.
 */

import * as context from "cordon:contract/context@1.0.0";
import * as events from "cordon:contract/events@1.0.0";
import * as sdk from "../sdk.js";

// === Where records are kept ===

// The organisation comes first in every key, and is always the caller's own: no argument of any function
// can name a record of another organisation.

/** Records without their notes, by organisation and patient. */
const EMRS = new sdk.Collection(
  "emr",
  sdk.record({
    emrId: sdk.text,
    organization: sdk.text,
    patientId: sdk.text,
    patientName: sdk.text,
    patientBirthdate: sdk.text,
    createdBy: sdk.text,
  }),
);

/** Patient ids, by organisation and `emrId`. */
const PATIENTS_BY_EMR_ID = new sdk.Collection("emr-id", sdk.text);

/** Notes, by organisation, patient, time and id: a patient's are in the order of time on every host. */
const NOTES = new sdk.Collection(
  "note",
  sdk.record({
    noteId: sdk.text,
    patientId: sdk.text,
    area: sdk.text,
    vitalSigns: sdk.optional(sdk.text),
    diagnosis: sdk.optional(sdk.text),
    medication: sdk.optional(sdk.text),
    progress: sdk.optional(sdk.text),
    testResult: sdk.optional(sdk.text),
    physician: sdk.text,
    timestamp: sdk.moment,
  }),
);

// === Refusals ===

const unknownPatient = () =>
  sdk.notFound("This patient has no medical record in your organisation.");
const unknownEmr = () => sdk.notFound("Your organisation keeps no medical record with this emrId.");

// === Helpers ===

/** A caller who has a name. */
function actor() {
  const caller = context.caller();
  return { organization: caller.mspId, name: sdk.requireEnrollmentId(caller) };
}

/** A note as clients read it. */
const shownNote = (note) => ({ ...note, timestamp: sdk.rfc3339(note.timestamp) });

/** A record with all its notes. */
function load(organization, patientId) {
  const record = EMRS.get([organization, patientId]);
  if (record === null) throw unknownPatient();
  return { ...record, notes: NOTES.values([organization, patientId]).map(shownNote) };
}

/** The record with this id, with all its notes. */
function loadById(organization, emrId) {
  const patientId = PATIENTS_BY_EMR_ID.get([organization, emrId]);
  if (patientId === null) throw unknownEmr();
  return load(organization, patientId);
}

// === The contract's functions, by interface ===

export const healthCenter = {
  createEmr({ patientId, patientName, patientBirthdate }) {
    sdk.checkId("patientId", patientId);
    sdk.checkText("patientName", patientName);
    sdk.checkText("patientBirthdate", patientBirthdate);
    const { organization, name } = actor();

    if (EMRS.has([organization, patientId])) {
      throw sdk.conflict("This patient already has a medical record in your organisation.");
    }
    const emrId = context.transactionId();
    const createdBy = name;
    const record = { emrId, organization, patientId, patientName, patientBirthdate, createdBy };
    EMRS.put([organization, patientId], record);
    PATIENTS_BY_EMR_ID.put([organization, emrId], patientId);
    events.emit("EmrCreated", sdk.utf8(emrId));
    return { ...record, notes: [] };
  },

  checkIsPatientRegistered(patientId) {
    sdk.checkId("patientId", patientId);
    return EMRS.has([actor().organization, patientId]);
  },
};

export const physician = {
  readEmr(emrId) {
    sdk.checkId("emrId", emrId);
    return loadById(actor().organization, emrId);
  },

  getEmrByPatientId(patientId) {
    sdk.checkId("patientId", patientId);
    return load(actor().organization, patientId);
  },

  // Reads the patient's record, which adding a note does not write, and writes a key that nothing reads
  // before: so any number of notes can be added at the same moment, and all commit.
  addEmrNote({ patientId, area, vitalSigns, diagnosis, medication, progress, testResult }) {
    sdk.checkId("patientId", patientId);
    sdk.checkText("area", area);
    const written = {
      vitalSigns: sdk.optionalText("vitalSigns", vitalSigns),
      diagnosis: sdk.optionalText("diagnosis", diagnosis),
      medication: sdk.optionalText("medication", medication),
      progress: sdk.optionalText("progress", progress),
      testResult: sdk.optionalText("testResult", testResult),
    };
    const { organization, name } = actor();

    if (!EMRS.has([organization, patientId])) throw unknownPatient();
    const noteId = context.transactionId();
    const timestamp = context.timestamp();
    const note = { noteId, patientId, area, ...written, physician: name, timestamp };
    NOTES.put([organization, patientId, sdk.sortKey(timestamp), noteId], note);
    events.emit("EmrNoteAdded", sdk.utf8(noteId));
    return shownNote(note);
  },
};

export const patient = {
  getOwnEmr() {
    const { organization, name } = actor();
    return load(organization, name);
  },

  // Whether somebody else has a record is not told: the refusal is the same.
  getEmrByPatientId(patientId) {
    sdk.checkId("patientId", patientId);
    const { organization, name } = actor();
    if (patientId !== name) throw sdk.forbidden("Patients may read their own record only.");
    return load(organization, patientId);
  },

  getMedicalVisitsCount() {
    const { organization, name } = actor();
    if (!EMRS.has([organization, name])) throw unknownPatient();
    return NOTES.count([organization, name]);
  },
};

export const records = {
  getEmr(emrId) {
    sdk.checkId("emrId", emrId);
    if (context.callingContract() !== "sharing") {
      throw sdk.forbidden('Only the contract "sharing" of this channel may ask for this.');
    }
    return loadById(actor().organization, emrId);
  },
};
