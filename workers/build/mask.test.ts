import assert from "node:assert/strict";
import { test } from "node:test";
import { maskOf } from "./mask.ts";
import { BuildOutput } from "./output.ts";

const mask = (text: string, ...values: string[]) => maskOf(values.map((value) => Buffer.from(value)))(text);

test("a value is hidden wherever it stands, as it is and as programs print it again", () => {
  const value = 'p@ss "w\\rd"/+é';
  for (const form of [value, JSON.stringify(value), encodeURIComponent(value), Buffer.from(value).toString("base64"), Buffer.from(`${value}\n`).toString("base64")]) {
    assert.doesNotMatch(mask(`before ${form} after ${form}`, `${value}\n`), /p@ss|p%40ss|cEBzcyA/, form);
  }
  assert.equal(mask("token=abcdef!", "abcdef"), "token=***!");
});

test("each line of a value is hidden, but for those that are ordinary words", () => {
  const key = "-----BEGIN KEY-----\nMIIEabc\r\n  indented \n}\n\n-----END KEY-----\n";
  assert.equal(mask("MIIEabc", key), "***");
  assert.equal(mask("> indented", key), "> ***");
  assert.equal(mask("function () {}", key), "function () {}");
});

test("of two values the longer is hidden whole; what looks like a pattern is none", () => {
  assert.equal(mask("secret-and-more secret", "secret", "secret-and-more"), "*** ***");
  assert.equal(mask("a.*b axxb", "a.*b"), "*** axxb");
  assert.equal(mask("nothing to hide"), "nothing to hide");
  assert.equal(maskOf([Buffer.from("\xffabcd", "latin1")])("\ufffdabcd"), "***");
});

test("of a line, of the error and of the tail; colours within do not help", () => {
  const output = new BuildOutput();
  output.hide([Buffer.from("hunter2!")]);
  assert.equal(output.read("STEP 2/3: RUN echo hunter2!")?.text, "STEP 2/3: RUN echo ***");
  assert.equal(output.read("got hun\u001b[31mter2!\u001b[0m")?.text, "got ***");
  assert.equal(output.read('Error: building at STEP "RUN echo hunter2!": exit status 1')?.text, 'Error: building at STEP "RUN echo ***": exit status 1');
  assert.doesNotMatch(JSON.stringify([output.tail, output.error, output.position]), /hunter2/);
});
