// What a medical record keeps of a FHIR bundle: the patient, and one note for the visit and for each
// laboratory report.

/** A patient with notes, from a bundle about one patient. */
export function fromBundle({ entry }) {
  const all = (type) => entry.map(({ resource }) => resource).filter((r) => r.resourceType === type);
  const byUrl = new Map(entry.map(({ fullUrl, resource }) => [fullUrl, resource]));
  const [{ identifier, name, birthDate }] = all('Patient');

  const reports = all('DiagnosticReport');
  const results = reports.map(({ result }) => result.map(({ reference }) => byUrl.get(reference)));
  const reported = new Set(results.flat());
  const [vitals, rest] = partition(
    all('Observation').filter((observation) => !reported.has(observation)),
    ({ category }) => category.some(({ coding }) => coding.some(({ code }) => code === 'vital-signs')),
  );
  const diagnosis = list(all('Condition').map(({ code }) => code.text));
  const notes = [
    ...all('Encounter').map((encounter, index) => ({
      area: encounter.type[0].text,
      diagnosis,
      // Those of a bundle are of one visit.
      ...(index === 0 && { vitalSigns: list(vitals.map(value)) }),
      medication: list(all('MedicationRequest').map((each) => each.medicationCodeableConcept.text)),
      progress: list([
        `${encounter.status} ${encounter.period.end}`,
        ...all('AllergyIntolerance').map(({ code }) => `allergy: ${code.text}`),
      ]),
    })),
    ...reports.map(({ code, status, issued }, index) => ({
      area: code.text,
      progress: `${status} ${issued}`,
      testResult: list(results[index].map(value)),
    })),
    // A result that no report mentions is a note of its own.
    ...rest.map((each) => ({ area: each.code.text, testResult: value(each) })),
  ];
  return {
    patientId: identifier[0].value.replaceAll(/[^A-Za-z0-9_-]/g, '-'),
    patientName: [...name[0].given, name[0].family].join(' '),
    patientBirthdate: birthDate,
    // Dropped, as an optional text that is not there is left out.
    notes: notes.map((note) => Object.fromEntries(Object.entries(note).filter(([, text]) => text))),
  };
}

const list = (texts) => texts.join('; ');

/** `Heart rate: 82 beats/minute`; a panel names its parts. */
function value({ code, valueQuantity, component }) {
  if (component) return `${code.text}: ${component.map(value).join(', ')}`;
  return `${code.text}: ${valueQuantity.value} ${valueQuantity.unit}`;
}

function partition(items, isFirst) {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
