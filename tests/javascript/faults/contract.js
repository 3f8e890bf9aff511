/** Goes wrong in every way that a contract in JavaScript can; see wit/faults.wit. */

import * as events from "cordon:contract/events@1.0.0";
import * as state from "cordon:contract/state@1.0.0";
import * as sdk from "../../../contracts/javascript/sdk.js";

const wrongs = {
  refuse() {
    throw sdk.conflict("no");
  },
  passOn() {
    state.put("", new Uint8Array());
  },
  throwError() {
    throw new Error("no refusal");
  },
  throwUnknown() {
    throw { tag: "unwilling", val: "no" };
  },
  answerOtherwise: () => undefined,
  askTime: () => Date.now() > 0,
  askChance: () => Math.random() < 0.5,
  lookForModule: () => import("./other.js"),
  answerLater: () => Promise.resolve(true),
  neverEnd() {
    for (;;);
  },
  callItself() {
    const deeper = (depth) => 1 + deeper(depth + 1);
    return deeper(0) > 0;
  },
  takeMemory() {
    const taken = [];
    for (;;) taken.push(new Uint8Array(100_000));
  },
  halveCharacter() {
    state.put("half \ud83d", new Uint8Array());
  },
};

export const faults = {};
for (const [name, goWrong] of Object.entries(wrongs)) {
  faults[name] = () => {
    state.put("written", new Uint8Array([1]));
    events.emit("Emitted", new Uint8Array());
    return goWrong();
  };
}
