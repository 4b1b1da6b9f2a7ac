/** The CLI on a terminal (a pty made by script(1)): questions, Ctrl-C, hidden input. Against the stand-in API. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { ServerResponse } from "node:http";
import { aBuild, aDeployment, anApp, events, json, logLine, startFakeApi, TOKEN, WHOAMI, type FakeApi } from "../support/cli-fake-api.ts";
import { BERTH, workplace, type Workplace } from "../support/cli-run.ts";

const CTRL_C = "\u0003";
const DOWN = "\u001b[B";
const ENTER = "\r";
const skip = existsSync("/usr/bin/script") ? false : "script(1) is not installed";

let api: FakeApi;
let place: Workplace;
let project: string;
let log: ServerResponse | undefined;
let cancelled: boolean;

/** A deployment whose build goes on until it is cancelled. */
function playForever(): void {
  const build = aBuild();
  const first = aDeployment({ build });
  let stream: ServerResponse | undefined;
  cancelled = false;
  api.on("POST /v1/apps/hello/deployments", (_, response) => json(response, first, 202));
  api.on("GET /v1/apps/hello", (_, response) => json(response, anApp()));
  api.on(`GET /v1/builds/${build.id}/logs`, (_, response) => {
    log = response;
    events(response, [logLine(1, "STEP 1/2: FROM busybox")], "open");
  });
  api.on(`GET /v1/deployments/${first.id}/events`, (_, response) => {
    stream = response;
    events(response, [{ event: "deployment", data: first }], "open");
  });
  api.on(`POST /v1/deployments/${first.id}/cancel`, (_, response) => {
    cancelled = true;
    const last = { ...first, state: "cancelled", failure: { code: "deployment_cancelled", detail: "It was cancelled." } };
    json(response, last, 202);
    if (log !== undefined) events(log, [{ event: "end", data: { ...build, state: "cancelled" } }]);
    if (stream !== undefined) events(stream, [{ event: "deployment", data: last }]);
  });
}

/** Runs a command on a pty. Each step waits until the text is on the screen, then types. */
function onTerminal(args: readonly string[], steps: readonly [wait: RegExp, keys: string | (() => string)][]): Promise<{ code: number | null; text: string; raw: string }> {
  const command = [BERTH, ...args].map((arg) => `'${arg}'`).join(" ");
  return new Promise((resolve, reject) => {
    const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: project, env: place.env, stdio: "pipe" });
    let raw = "";
    let seenTo = 0;
    const todo = [...steps];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      raw += chunk;
      const next = todo[0];
      if (next === undefined || !next[0].test(stripVTControlCharacters(raw.slice(seenTo)))) return;
      todo.shift();
      seenTo = raw.length;
      // A prompt listens a moment after it is drawn.
      const keys = typeof next[1] === "string" ? next[1] : next[1]();
      setTimeout(() => child.stdin.write(keys), 100);
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, raw, text: stripVTControlCharacters(raw) });
    });
  });
}

before(async () => {
  api = await startFakeApi();
});
after(() => api.close());
beforeEach(() => {
  place = workplace(api);
  project = place.directory("hello", { Dockerfile: "FROM busybox\n" });
  api.on("GET /v1/whoami", (_, response) => json(response, WHOAMI));
  playForever();
});
afterEach(() => place.remove());

describe("on a terminal", { skip }, () => {
  it("Ctrl-C asks; «Cancel it» cancels and ends with 130", async () => {
    const ran = await onTerminal(["deploy"], [[/STEP 1\/2/, CTRL_C], [/Cancel this deployment/, ENTER]]);
    assert.equal(cancelled, true);
    assert.equal(ran.code, 130, ran.text);
    assert.match(ran.text, /was cancelled.*deployment_cancelled/s);
    assert.match(ran.text, /v3 keeps serving/);
  });

  it("«Leave it running» detaches", async () => {
    const ran = await onTerminal(["deploy"], [[/STEP 1\/2/, CTRL_C], [/Cancel this deployment/, `${DOWN}${ENTER}`]]);
    assert.equal(ran.code, 130);
    assert.equal(cancelled, false);
    assert.match(ran.text, /Detached: the deployment of hello goes on/);
  });

  it("a second Ctrl-C quits", async () => {
    const ran = await onTerminal(["deploy"], [[/STEP 1\/2/, CTRL_C], [/Cancel this deployment/, CTRL_C]]);
    assert.equal(ran.code, 130);
    assert.equal(cancelled, false);
    assert.ok(ran.raw.includes("\u001b[?25h"), "the cursor is back");
  });

  it("«Go on watching» shows what came meanwhile", async () => {
    const goOn = () => {
      for (let times = 0; times < 2; times++) if (log !== undefined) events(log, [logLine(2, "meanwhile")], "open");
      return `${DOWN}${DOWN}${ENTER}`;
    };
    const ran = await onTerminal(["deploy"], [[/STEP 1\/2/, CTRL_C], [/Cancel this deployment/, goOn], [/meanwhile/, CTRL_C], [/Cancel this deployment/, ENTER]]);
    assert.equal(ran.code, 130, ran.text);
    assert.equal(cancelled, true);
    assert.equal(ran.text.match(/meanwhile/g)?.length, 1, "a line that comes twice is shown once");
  });

  it("has colours, but not with NO_COLOR", async () => {
    api.on("GET /v1/apps", (_, response) => json(response, { items: [anApp()], nextCursor: null }));
    assert.match((await onTerminal(["apps"], [])).raw, /\u001b\[/);
    place.env["NO_COLOR"] = "1";
    assert.doesNotMatch((await onTerminal(["apps"], [])).raw, /\u001b\[/);
  });

  it("login does not show the token", async () => {
    const ran = await onTerminal(["login"], [[/Token for/, `${TOKEN}${ENTER}`]]);
    assert.equal(ran.code, 0, ran.text);
    assert.match(ran.text, /signed in/);
    assert.equal(ran.text.includes(TOKEN.slice(0, 12)), false);
  });

  it("destroy wants the name typed", async () => {
    let destroyed = 0;
    api.on("GET /v1/apps/hello/volumes", (_, response) => json(response, { items: [], nextCursor: null }));
    api.on("DELETE /v1/apps/hello", (_, response) => (destroyed++, void response.writeHead(204).end()));
    const wrong = await onTerminal(["destroy"], [[/Type its name/, `no${ENTER}`]]);
    assert.equal(wrong.code, 130);
    assert.equal(destroyed, 0);
    const right = await onTerminal(["destroy"], [[/Type its name/, `hello${ENTER}`]]);
    assert.equal(right.code, 0, right.text);
    assert.equal(destroyed, 1);
  });
});

describe("without a terminal", () => {
  it("Ctrl-C detaches: exit 130, and the deployment goes on", async () => {
    const child = spawn(BERTH, ["deploy"], { cwd: project, env: place.env, stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => chunk.includes("STEP 1/2") && child.kill("SIGINT"));
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 130);
    assert.match(stderr, /Detached: the deployment of hello goes on.*\n {2}See «berth status hello»/);
    assert.equal(cancelled, false);
  });

  it("Ctrl-C while uploading stops it: exit 130", async () => {
    api.on("POST /v1/apps/hello/deployments", () => {});
    const child = spawn(BERTH, ["deploy"], { cwd: project, env: place.env, stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setInterval(() => api.seen.some((one) => one.method === "POST") && child.kill("SIGINT"), 50);
    api.seen.length = 0;
    const code = await new Promise((resolve) => child.once("close", resolve));
    clearInterval(timer);
    assert.equal(code, 130);
    assert.match(stderr, /Cancelled before the upload was accepted/);
  });
});
