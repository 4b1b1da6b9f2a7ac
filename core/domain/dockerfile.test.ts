import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseDockerfile } from "./dockerfile.ts";
import { splitDockerfile, withoutLinkFlags } from "./dockerfile-lines.ts";

/** The valid Dockerfile has no finding. */
function fine(text: string, options = {}) {
  const parsed = parseDockerfile(text, options);
  assert.deepEqual([...parsed.errors, ...parsed.unsupported], [], text);
  return parsed;
}

/** The first error, as `line: message`. */
function firstError(text: string, options = {}): string {
  const error = parseDockerfile(text, options).errors[0];
  return error === undefined ? "none" : `${error.line}: ${error.message}`;
}

describe("valid Dockerfiles are not refused", () => {
  const valid: Record<string, string> = {
    "the five instructions of every introduction": "FROM python:3\nRUN pip install tornado --no-cache-dir\nADD https://example.com/web.py .\nCMD [\"python\",\"web.py\"]\nEXPOSE 8888\n",
    "comments and empty lines in continuations": "FROM a\nRUN one && \\\n# why\n\n   # why else\n  two \\\n  && three\nEXPOSE 80\n",
    "a heredoc that holds instructions": "FROM a\nRUN <<EOF\nFROMM b\nEXPOSE x\nEOF\nEXPOSE 80\n",
    "a heredoc after a continuation": "FROM a\nRUN x && \\\n cat <<EOF > /y && z\nNOPE\nEOF\nUSER 1\n",
    "two heredocs, quoted and with tabs": "FROM a\nCOPY <<A <<-'B' /d/\nRUNN\nA\n\tNOPE\n\tB\nUSER 1\n",
    "a heredoc whose last line ends in a backslash": "FROM a\nRUN python3 - <<'PY'\nprint(1) \\\nPY\nUSER 1\n",
    "a heredoc for another descriptor": "FROM a\nRUN cat 3<<EOF\nq\nEOF\nUSER 1\n",
    "what only looks like a heredoc": "FROM a\nRUN echo $((1<<2)) && cat <<< hi && echo \"<<EOF\"\nENV x=<<EOF\nUSER 1\n",
    "ONBUILD with a heredoc": "FROM a\nONBUILD RUN <<EOF\nNOPE\nEOF\nUSER 1\n",
    "the other escape character": "# escape=`\nFROM a\nRUN x `\n  y\nCOPY a b\\\nUSER 1\n",
    "a backslash that is escaped does not continue": "FROM a\nRUN echo \\\\\nUSER 1\n",
    "white space after a continuation": "FROM a\nRUN x \\  \n y\nUSER 1\n",
    "Windows line ends and a byte order mark": "\ufeffFROM a\r\nRUN x \\\r\n y\r\nUSER 1\r\n",
    "lower case": "from a as b\nrun x\nfrom c\ncopy --from=B /x /y\n",
    "ARG before FROM": "ARG TAG=3\nARG BASE=python:${TAG}\nFROM ${BASE} AS x\nFROM --platform=$BUILDPLATFORM x\nCOPY --from=0 a b\n",
    "all forms of ENV and EXPOSE": "FROM a\nENV A=1 B=\"2 3\"\nENV C d e\nENV D=\nEXPOSE 80 81/udp 90-99/tcp \"100\" $P ${Q}/tcp 7/TCP\n",
    "all instructions": "FROM a\nLABEL a=b\nMAINTAINER me\nSHELL [\"/bin/bash\", \"-c\"]\nSTOPSIGNAL SIGINT\nVOLUME /a /b\nWORKDIR /a b\nHEALTHCHECK --interval=5s CMD curl --fail x\nHEALTHCHECK NONE\nENTRYPOINT [\"x\"]\nCMD\nARG X\nONBUILD COPY --from=x a b\nADD --chmod=755 a b\nCOPY [\"a b\", \"c\"]\n",
    "mounts": "FROM a\nRUN --mount=type=cache,target=/x --mount=type=secret,id=y --mount=type=bind,from=b,target=/z --mount=target=. --network=none x\n",
    "known frontends": "# syntax=docker/dockerfile:1.7-labs\n# check=skip=all\nFROM scratch\nCOPY a b\n",
    "references": "FROM localhost:5000/A-b/c:D_1@sha256:".replace("A-b", "a-b") + "0".repeat(64) + "\nFROM r.example.com/a__b/c.d-e\n",
  };
  for (const [name, text] of Object.entries(valid)) test(name, () => void fine(text));
});

describe("errors have their line and a sentence that helps", () => {
  const wrong: [text: string, expected: RegExp][] = [
    ["", /^1: The Dockerfile is empty/],
    ["# nothing\n\n", /^1: The Dockerfile is empty/],
    ["ARG X=1\n", /^1: There is no FROM/],
    ["RUN x\nFROM a\n", /^1: RUN stands before the first FROM/],
    ["FROM a\n\nRUNN x\n", /^3: «RUNN» is not an instruction: did you mean «RUN»\?$/],
    ["FORM a\n", /^1: «FORM» is not an instruction: did you mean «FROM»\?$/],
    ["FROM a\nXYZZY a\n", /^2: «XYZZY» is not an instruction\.$/],
    ["FROM a\nRUN <<EOF\nx\n EOF\n", /^2: The heredoc «<<EOF» has no end/],
    ["FROM a # base\n", /^1: A comment must stand on a line of its own/],
    ["FROM a IS b\n", /^1: FROM takes an image/],
    ["FROM a AS 1b\n", /^1: «1b» cannot name a stage/],
    ["FROM Python:3\n", /^1: «Python:3» is no image's name: it must be in lower case/],
    ["FROM a:b:c\n", /^1: «a:b:c» is no image's name|^1: «b:c» is no tag/],
    ["FROM a@sha256:12\n", /has no valid digest/],
    ["ARG B\nFROM $B\n", /^2: «\$B» is empty/],
    ["FROM a\nEXPOSE 80 http\n", /^2: EXPOSE http: a port is a number/],
    ["FROM a\nEXPOSE 70000\n", /^2: EXPOSE 70000/],
    ["FROM a\nENV X\n", /^2: ENV X has no value/],
    ["FROM a\nCOPY x\n", /^2: COPY needs at least one source/],
    ["FROM a\nRUN\n", /^2: RUN needs an argument/],
    ["FROM a\nSHELL /bin/sh\n", /^2: SHELL takes a JSON array/],
    ["FROM a\nHEALTHCHECK curl x\n", /^2: HEALTHCHECK takes NONE/],
    ["FROM a\nONBUILD FROM b\n", /^2: ONBUILD FROM is not allowed/],
    ["FROM a\nCOPY --form=x a b\n", /^2: COPY has no flag «--form»: did you mean «--from»\?/],
    ["FROM a\nRUN --mount=type=cach,target=/x y\n", /^2: RUN --mount has no type «cach»: did you mean «cache»\?/],
    ["FROM a\nCOPY --from=1 a b\n", /^2: There is no stage 1 before this line/],
    ["FROM a\nCOPY --from=0 a b\n", /^2: --from=0 names the stage that it stands in/],
    ["FROM a\nCOPY --from=later a b\nFROM b AS later\n", /^2: The stage «later» comes later, on line 3/],
    ["# escape=x\nFROM a\n", /^1: The escape character/],
  ];
  for (const [text, expected] of wrong) test(JSON.stringify(text), () => assert.match(firstError(text), expected));

  test("a target that is not there", () => {
    assert.match(firstError("FROM a AS one\nFROM b\n", { target: "two" }), /^2: There is no stage «two»: the stages are one, 1\.$/);
    fine("FROM a AS one\nFROM b\n", { target: "ONE" });
    fine("FROM a AS one\nFROM b\n", { target: "1" });
  });
});

test("what is not offered is told with its line", () => {
  const { unsupported, errors } = parseDockerfile("# syntax=example.com/front:1\nFROM a\nRUN --security=insecure x\nRUN --network=host \\\n  y\nONBUILD RUN --network=host x\n");
  assert.deepEqual(errors, []);
  assert.deepEqual(unsupported.map((u) => u.line), [1, 3, 4, 6]);
  assert.match(unsupported[0]?.message ?? "", /frontend/);
});

test("stages, bases and ports", () => {
  const parsed = fine("ARG V=3\nFROM debian:$V AS Base\nEXPOSE 80\nFROM base AS mid\nEXPOSE 9000-9001\nCOPY --from=busybox:1 /a /b\nRUN --mount=type=bind,from=tools,target=/t x\nFROM scratch\nCOPY --from=mid a b\nEXPOSE 1\n", { buildArgs: { V: "4" } });
  assert.deepEqual(parsed.stages.map((s) => [s.name, s.base, s.baseStage]), [["base", "debian:4", undefined], ["mid", "base", 0], [undefined, "scratch", undefined]]);
  assert.deepEqual(parsed.baseRefs, [{ ref: "debian:4", line: 2 }, { ref: "busybox:1", line: 6 }, { ref: "tools", line: 7 }]);
  assert.deepEqual(parsed.exposedPorts, [1]);
  assert.deepEqual(fine("FROM a AS x\nEXPOSE 81\nFROM x\nEXPOSE 80\n").exposedPorts, [80, 81]);
});

test("defaults of arguments", () => {
  const base = (text: string, buildArgs = {}) => fine(text, { buildArgs }).stages[0]?.base;
  assert.equal(base("FROM a:${T:-1}\n"), "a:1");
  assert.equal(base("ARG T=\nFROM a:${T:-1}\n"), "a:1");
  assert.equal(base("ARG T\nFROM a${T:+:$T}\n"), "a");
  assert.equal(base("ARG T\nFROM a${T:+:$T}\n", { T: "9" }), "a:9");
  assert.equal(base("ARG A='b' C=$A\nFROM ${C}\n"), "b");
});

test("ADD of a URL is seen", () => {
  const remote = (line: string) => parseDockerfile(`FROM a\n${line}\n`).hasRemoteAdd;
  for (const line of ["ADD https://x/y .", "ADD --chmod=755 a HTTP://x/y .", "ADD git@github.com:a/b.git .", "ADD $URL .", 'ADD ["https://x/y", "."]', "ONBUILD ADD https://x ."]) {
    assert.equal(remote(line), true, line);
  }
  for (const line of ["ADD a.tar .", "COPY https:// .", "ADD a b /https://x"]) assert.equal(remote(line), false, line);
});

test("--link is taken away, and nothing else moves", () => {
  const text = "FROM a\nCOPY --link a b\nADD --chown=1 \\\n  # --link\n  --link=true \\\n  a b\nRUN x --link\nCOPY <<EOF /x\n --link\nEOF\n";
  assert.equal(withoutLinkFlags(text), "FROM a\nCOPY  a b\nADD --chown=1 \\\n  # --link\n   \\\n  a b\nRUN x --link\nCOPY <<EOF /x\n --link\nEOF\n");
  assert.deepEqual(splitDockerfile(withoutLinkFlags(text)).instructions.map((i) => i.words), splitDockerfile(text).instructions.map((i) => i.words));
});
