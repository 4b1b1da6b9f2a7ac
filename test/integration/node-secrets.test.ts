/** Secrets on a node: variables and files of an instance, in memory alone, there as long as the instance is. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceSecrets } from "../../core/contract/node-channel.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { shell, TestNode, until } from "../support/node.ts";

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

const VALUE = "variable-5f0c2e\"'$(x)`\\ end";
const CONTENT = Buffer.from("file-77aa01\0\nlast\xff", "latin1");
const SECRETS: InstanceSecrets = {
  kind: "values",
  env: [`TOKEN=${VALUE}`, "EMPTY="],
  files: [{ name: "key.pem", content: CONTENT.toString("base64") }, { name: "_", content: "" }],
};

/** An app that shows what it got when it is asked, writes none of it down, and crashes when it is told to. */
const SHOW = `
  mkdir -p /www/cgi-bin; cd /www/cgi-bin
  cat >show <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'; printf '%s\\n' "$TOKEN" "$EMPTY"; base64 -w 0 /run/secrets/key.pem; echo
(id -u; ls -ln /run/secrets; stat -f -c %T /run/secrets; : >/run/secrets/key.pem) 2>&1
END
  chmod 755 show; httpd -p 8080 -h /www; trap 'exit 0' TERM; while [ ! -e /tmp/go ]; do sleep 0.02; done; rm /tmp/go; exit 9`;
/** Of each disk: all of it is read. */
const SEARCHED_BYTES = 16 * 2 ** 20;
/** Without the minute of each start. */
const show = async (url: string) => (await (await fetch(`${url}/cgi-bin/show`)).text()).replace(/ \w{3} +\d+ \d\d:\d\d /g, " - ");

/** Whether any file of the node has it, as a disk would: the file systems in memory are mounted where the test is not. */
async function onDisk(): Promise<string> {
  const needles = ["variable-5f0c2e", "file-77aa01", CONTENT.toString("base64").slice(0, 12)];
  return (await runUnchecked(["grep", "-rlaF", ...needles.flatMap((needle) => ["-e", needle]), node.dir])).stdout;
}

test("files are of the image's USER alone, where it is not root", async () => {
  // Its own directory is on the disk that the image has; the program looks, and keeps nothing.
  const script = `stat -c '%a %u:%g %s %n' /run/secrets /run/secrets/*; printf %s "$TOKEN" | wc -c; [ -r /run/secrets/key.pem ] && echo readable; exec httpd -f -p 8080`;
  const { desired } = await node.ready({ args: shell(script), user: "www-data", secrets: SECRETS, stopGraceMs: 0, limits: { diskBytes: SEARCHED_BYTES } });
  const lines = (await node.logs(desired.id)).map(({ text }) => text);
  assert.deepEqual(lines, ["500 33:33 80 /run/secrets", "400 33:33 0 /run/secrets/_", `400 33:33 ${CONTENT.length} /run/secrets/key.pem`, `${VALUE.length}`, "readable"]);
});

test("variables and files are there for a root that drops privileges, outlive the agent, and are on no disk", async () => {
  const root = await node.ready({ args: shell(SHOW), secrets: SECRETS, stopGraceMs: 0, limits: { diskBytes: SEARCHED_BYTES } });
  const text = await show(root.url);
  const [token, empty, file, uid] = text.split("\n");
  assert.deepEqual([token, empty, file, uid], [VALUE, "", CONTENT.toString("base64"), "0"]);
  assert.match(text, /-r--r--r--\s+1 0\s+0\s+0 .* _\n-r--r--r--\s+1 0\s+0\s+\d+ .* key\.pem/);
  if (!IN_GVISOR) assert.match(text, /\ntmpfs\n/);
  assert.match(text, /can't create \/run\/secrets\/key\.pem: Read-only file system/);
  assert.equal(await onDisk(), "");
  assert.deepEqual(node.report(root.desired.id)?.problem, undefined);

  // The next agent has them too, without the API.
  const { desired, url } = root;
  const reached = node.generation;
  await node.killAgent();
  node.generation = 1;
  node.desired = [];
  const first = node.pid(desired.id);
  await node.startAgent();
  await node.until(desired.id, "ready");
  assert.equal(node.pid(desired.id), first, "adopted");
  await node.write(desired.id, "/tmp/go");
  const again = await node.untilReport(desired.id, (report) => report?.restarts === 1 && report.phase === "ready");
  assert.equal(await show(`http://${again.address}:${again.port}`), text);
  assert.equal(url, `http://${again.address}:${again.port}`);
  assert.equal(await onDisk(), "");
  assert.doesNotMatch(node.log, /variable-5f0c2e|file-77aa01/);

  // The host starts anew: nothing runs, memory is empty. The instance waits until the API says its secrets again.
  await node.killAgent();
  await run(node.inside("sh", "-c", `kill -9 ${node.pid(desired.id)}; umount --lazy --recursive ${node.path("secrets")} ${node.path("run")}; rm -rf ${node.path("crun")}/* ${node.path("runsc")}/*`));
  await until(() => !existsSync(`/proc/${node.pid(desired.id)}`));
  await node.startAgent();
  await sleep(700);
  assert.notEqual(node.report(desired.id)?.phase, "ready");
  node.generation = reached;
  node.want({ ...desired, secrets: SECRETS });
  const back = await node.until(desired.id, "ready");
  assert.match(await show(`http://${back.address}:${back.port}`), /variable-5f0c2e/);

  node.want();
  await node.until(desired.id, "gone");
  assert.deepEqual(await node.traces(desired.id), []);
  // crun keeps compiled filters of system calls.
  const left = (await run(node.inside("ls", "-A", node.path("secrets"), node.path("crun"), node.path("run/bundles")))).stdout.split("\n").filter((line) => line !== "" && !line.startsWith("/"));
  assert.deepEqual(left, [".cache"]);
  assert.equal(await onDisk(), "");
});

test("an instance whose secrets cannot be opened is not started, and says why", async () => {
  const report = await node.failed({ args: shell("exec httpd -f -p 8080"), secrets: { kind: "unavailable", detail: "The secret «KEY» cannot be opened." } });
  assert.deepEqual([report.problem?.code, report.problem?.detail], ["secrets_unavailable", "The secret «KEY» cannot be opened."]);
});
