import assert from "node:assert/strict";
import { test } from "node:test";
import { missingSecrets, mountedSecrets, withSecretEnvFromFiles } from "./dockerfile-secrets.ts";
import { parseDockerfile } from "./dockerfile.ts";

const mounts = (text: string, target?: string) => parseDockerfile(text, { target }).secretMounts;

test("which secrets RUN mounts, however it is written", () => {
  const text = `FROM a
RUN --mount=type=secret,id=npm,target=/root/.npmrc,required npm ci
RUN --mount=type=bind,source=x,target=/x --mount=type=secret,target=/run/secrets/by-target,required=false x
RUN --mount="type=secret,id=quoted,required=true" \\
  # why not
  --mount=type=secret,src=by-src x
RUN --mount=type=secret,id=$WHICH x
RUN --mount=type=cache,id=no,target=/c x
ONBUILD RUN --mount=type=secret,id=later,required x
`;
  assert.deepEqual(mounts(text).map(({ id, isRequired, line }) => [id, isRequired, line]), [
    ["npm", true, 2], ["by-target", false, 3], ["quoted", true, 4], ["by-src", false, 4], [undefined, false, 7], ["later", false, 9],
  ]);
});

test("only stages that are built count", () => {
  const text = "FROM a AS one\nRUN --mount=type=secret,id=one x\nFROM a AS two\nRUN --mount=type=secret,id=two x\nFROM a AS three\nRUN --mount=type=secret,id=three x\nFROM two\nCOPY --from=0 /a /b\n";
  assert.deepEqual(mounts(text).map(({ id }) => id), ["one", "two"]);
  assert.deepEqual(mounts(text, "three").map(({ id }) => id), ["three"]);
});

test("what is required and not there; what is mounted of what there is", () => {
  const found = mounts("FROM a\nRUN --mount=type=secret,id=a,required --mount=type=secret,id=b x\n");
  assert.deepEqual(missingSecrets(found, new Set(["a"])), []);
  assert.deepEqual(missingSecrets(found, new Set(["b"])).map(({ id, line }) => [id, line]), [["a", 2]]);
  const all = [{ name: "a" }, { name: "b" }, { name: "c" }];
  assert.deepEqual(mountedSecrets(found, all), [{ name: "a" }, { name: "b" }]);
  assert.deepEqual(mountedSecrets(mounts("FROM a\nRUN --mount=type=secret,id=$X x\n"), all), all);
  assert.deepEqual(mountedSecrets([], all), []);
});

test("a variable from a secret is read from a file by the command; lines stay where they are", () => {
  const text = "FROM a\nRUN --mount=type=secret,id=npm,env=NPM_TOKEN,required \\\n  # why\n  --mount=type=cache,target=/c \\\n  npm ci && \\\n  true\nRUN --mount=type=secret,id=x,env=X,target=/x y\nRUN --mount=type=secret,id=z z\n";
  const lines = withSecretEnvFromFiles(text).split("\n");
  assert.equal(lines.length, text.split("\n").length);
  assert.equal(
    lines[1],
    'RUN --mount=type=secret,id=npm,required,target=/run/secrets/.env.NPM_TOKEN --mount=type=cache,target=/c if [ -e /run/secrets/.env.NPM_TOKEN ]; then export NPM_TOKEN="$(cat /run/secrets/.env.NPM_TOKEN)"; fi; npm ci &&   true',
  );
  assert.deepEqual(lines.slice(2, 6), ["", "", "", ""]);
  assert.match(lines[6] ?? "", /^RUN --mount=type=secret,id=x,target=\/run\/secrets\/\.env\.X --mount=type=secret,id=x,target=\/x if .* y$/);
  assert.equal(lines[7], "RUN --mount=type=secret,id=z z");
  const plain = "FROM a\nRUN --mount=type=cache,target=/c x\n";
  assert.equal(withSecretEnvFromFiles(plain), plain);
});

test("where a variable from a secret is not offered", () => {
  const unsupported = (run: string) => parseDockerfile(`FROM a\n${run}\n`).unsupported.map(({ message }) => message);
  for (const run of ['RUN --mount=type=secret,id=a,env=A ["x"]', "RUN --mount=type=secret,id=a,env=A <<E\nx\nE", "RUN --mount=type=secret,id=a,env=1;x y", "ONBUILD RUN --mount=type=secret,id=a,env=A x"]) {
    assert.equal(unsupported(run).length, 1, run);
  }
  assert.deepEqual(unsupported("RUN --mount=type=secret,id=a,env=A x"), []);
  assert.deepEqual(unsupported("RUN --mount=type=bind,target=/a,env=A x"), []);
});
