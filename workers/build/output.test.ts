import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanLine } from "./clean-line.ts";
import { BuildOutput, TAIL_LINES } from "./output.ts";

test("steps of all stages count on, and what they say belongs to them", () => {
  const output = new BuildOutput();
  assert.deepEqual(output.read("[1/2] STEP 1/2: FROM debian AS a"), { step: 1, stream: "system", text: "[1/2] STEP 1/2: FROM debian AS a" });
  output.read("[1/2] STEP 2/2: RUN echo one");
  assert.deepEqual(output.read("one"), { step: 2, stream: "stdout", text: "one" });
  output.read("[2/2] STEP 1/2: FROM debian");
  output.read("[2/2] STEP 2/2: COPY --from=a /x /x");
  assert.equal(output.step, 4);
  assert.deepEqual(output.position, { stage: 1, step: 2, text: "COPY --from=a /x /x" });
});

test("a Dockerfile of one stage has no stage numbers", () => {
  const output = new BuildOutput();
  output.read("STEP 3/5: RUN false");
  assert.deepEqual(output.position, { stage: 0, step: 3, text: "RUN false" });
});

test("the builder's talk to itself is left out", () => {
  const output = new BuildOutput();
  for (const line of ["COMMIT localhost/x", "Successfully tagged localhost/x:latest", "Copying blob sha256:ab", `${"0a".repeat(32)}`, "--> 0123456789ab", "subprocess exited with status 7"]) {
    assert.equal(output.read(line), undefined, line);
  }
  assert.equal(output.read(`--> Using cache ${"0a".repeat(32)}`)?.text, "--> Using cache");
});

test("the tail is bounded, and only of the present step", () => {
  const output = new BuildOutput();
  output.read("STEP 1/2: FROM a");
  output.read("old");
  output.read("STEP 2/2: RUN b");
  for (let line = 1; line <= 50; line++) output.read(`line ${line}`);
  output.read("Error: building at STEP \"RUN b\": exit status 1");
  assert.equal(output.tail.length, TAIL_LINES);
  assert.equal(output.tail.at(-1), "line 50");
  assert.equal(output.error, 'building at STEP "RUN b": exit status 1');
});

test("nothing in a line can command a terminal", () => {
  assert.equal(cleanLine("\u001b[31mred\u001b[0m"), "red");
  assert.equal(cleanLine("10%\r50%\r100%\r"), "100%");
  assert.equal(cleanLine("a\u0007b\u0000c\u001b"), "a\\x07b\\x00c\\x1b");
  assert.equal(cleanLine("tab\tstays, ünïcode too"), "tab\tstays, ünïcode too");
});
