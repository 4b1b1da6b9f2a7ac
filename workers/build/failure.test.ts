import assert from "node:assert/strict";
import { test } from "node:test";
import { describeFailure, findInstruction, type BuildFailureInput } from "./failure.ts";

const DOCKERFILE = `# comment
ARG BASE=debian
FROM \${BASE} AS a
RUN echo one && \\
    echo two
RUN <<END
set -e
false
END

FROM debian
COPY --from=a /etc/passwd /x
ENV A=1
RUN echo before; exit 7
`;

const input = (over: Partial<BuildFailureInput>): BuildFailureInput => ({
  phase: "build",
  exitCode: 1,
  detail: "1000000 100000",
  error: "",
  position: undefined,
  tail: [],
  dockerfile: DOCKERFILE,
  dockerfilePath: "Dockerfile",
  contextFormat: "tar",
  oomKilled: false,
  limits: { memoryBytes: 2 * 2 ** 30, diskBytes: 20 * 2 ** 30 },
  ...over,
});

test("a failing RUN is told with its line, exit code and last output", () => {
  const position = { stage: 1, step: 4, text: "RUN echo before; exit 7" };
  assert.deepEqual(describeFailure(input({ position, tail: ["before"], error: 'building at STEP "RUN echo before; exit 7": exit status 7' })), {
    code: "build_failed",
    detail: "RUN ended with exit code 7.",
    line: 14,
    instruction: "RUN echo before; exit 7",
    exitCode: 7,
    logTail: ["before"],
  });
});

test("lines are found through stages, continuations and heredocs", () => {
  assert.equal(findInstruction(DOCKERFILE, { stage: 0, step: 1, text: "FROM debian AS a" })?.line, 3);
  assert.equal(findInstruction(DOCKERFILE, { stage: 0, step: 2, text: "RUN echo one &&     echo two" })?.line, 4);
  assert.equal(findInstruction(DOCKERFILE, { stage: 0, step: 3, text: "RUN <<END (set -e...)" })?.line, 6);
  assert.equal(findInstruction(DOCKERFILE, { stage: 1, step: 2, text: "COPY --from=a /etc/passwd /x" })?.line, 12);
});

test("a step that the base image brought is told at its FROM", () => {
  assert.equal(findInstruction(DOCKERFILE, { stage: 1, step: 2, text: "WORKDIR /onbuild" })?.line, 11);
});

test("base images", () => {
  const position = { stage: 1, step: 1, text: "FROM nosuch:1" };
  const error = "creating build container: initializing source docker://nosuch:1: reading manifest 1 in registry.berth.internal:5000/library/nosuch: manifest unknown";
  const failure = describeFailure(input({ position, error }));
  assert.equal(failure.code, "base_image_not_found");
  assert.equal(failure.detail, "The image «nosuch:1» was not found: Berth's registry does not have it. Check the name and the tag.");
  const mirrored =
    "creating build container: initializing source docker://nosuch:1: (Mirrors also failed: [registry.berth.internal:5000/library/nosuch:1: reading manifest 1 in registry.berth.internal:5000/library/nosuch: manifest unknown: there is no manifest 1 in library/nosuch]): docker.io/library/nosuch:1: ";
  const offline = `${mirrored}pinging container registry registry-1.docker.io: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.255.255.53:53: no such host`;
  assert.match(describeFailure(input({ position, error: offline })).detail, /: Berth's registry does not have it, and registry-1\.docker\.io cannot be reached from here\. Check/);
  const unknown = `${mirrored}reading manifest 1 in docker.io/library/nosuch: requested access to the resource is denied`;
  assert.match(describeFailure(input({ position, error: unknown })).detail, /does not have it, and docker\.io.*access to the resource is denied\. Check/);
  const copied = describeFailure(input({ position: { stage: 1, step: 2, text: "COPY --from=nosuch /x /x" }, error: 'building at STEP "COPY --from=nosuch /x /x": no stage or image found with that name' }));
  assert.equal(copied.code, "base_image_not_found");
});

test("files of the context are told without the builder's own paths", () => {
  const context = "/var/lib/containers/tmp/bld_01m83mkrxcexvts0bw80qhjrde/context";
  const copy = (error: string) => describeFailure(input({ position: { stage: 1, step: 2, text: "COPY a /x" }, error }));
  const missing = copy(`building at STEP "COPY a /x": checking on sources under "${context}": copier: stat: "/a": no such file or directory`);
  assert.deepEqual([missing.code, missing.detail], ["build_failed", "There is no «a» in the build context (or .dockerignore leaves it out)."]);
  const staged = describeFailure(
    input({ position: { stage: 1, step: 2, text: "COPY --from=a /nope /x" }, error: 'building at STEP "COPY --from=a /nope /x": checking on sources under "/x/merged": copier: stat: "/nope": no such file or directory' }),
  );
  assert.equal(staged.detail, "There is no «nope» in «a».");
  const link = copy(`building at STEP "COPY a /x": reading "${context}/a": error during bulk transfer for copier.request{Request:"GET", Globs:[]string{"/a"}}: copier: get: globs [/a] matched nothing`);
  assert.equal(link.detail, 'reading "a": copier: get: globs [/a] matched nothing');
});

test("limits come first", () => {
  const position = { stage: 1, step: 4, text: "RUN x" };
  assert.equal(describeFailure(input({ position, oomKilled: true, error: "exit status 137" })).code, "build_out_of_memory");
  assert.equal(describeFailure(input({ position, error: "write /x: no space left on device" })).code, "build_disk_full");
  assert.equal(describeFailure(input({ position, detail: "0 100000", error: "exit status 1" })).code, "build_disk_full");
  assert.equal(describeFailure(input({ position, detail: "100000 3", error: "exit status 1" })).code, "build_disk_full");
  // A sandbox without room for another process says nothing about its disk.
  assert.equal(describeFailure(input({ position, detail: "", error: "exit status 1" })).code, "build_failed");
});

test("contexts", () => {
  const unpack = (detail: string) => describeFailure(input({ phase: "unpack", detail })).code;
  assert.equal(unpack("tar: This does not look like a tar archive\n"), "context_not_tar");
  assert.equal(unpack("gzip: stdin: not in gzip format\n"), "context_not_tar");
  assert.equal(unpack("tar: Unexpected EOF in archive\n"), "context_truncated");
  assert.equal(unpack("gzip: stdin: unexpected end of file\ntar: Child returned status 1\n"), "context_truncated");
  assert.equal(unpack("tar: ../x: Member name contains '..'\n"), "context_escapes");
  assert.equal(unpack("tar: a: Cannot write: No space left on device\n"), "build_disk_full");
  assert.equal(describeFailure(input({ phase: "dockerfile", dockerfilePath: "web/Dockerfile" })).code, "dockerfile_missing");
});

test("an image that its tenant has no room for", () => {
  const detail = 'writing blob: initiating layer upload: denied: The limit «storageBytes» is 1 GiB; 1 GiB of it are used, 10 MiB more were asked for.\n';
  const failure = describeFailure(input({ phase: "push", detail }));
  assert.deepEqual([failure.code, failure.detail.includes("«storageBytes» is 1 GiB")], ["quota_exceeded", true]);
});

test("what the builder does not offer", () => {
  const position = { stage: 1, step: 2, text: "COPY --parents a /x" };
  assert.equal(describeFailure(input({ position, error: 'building at STEP "COPY --parents a /x": --parents is not supported' })).code, "dockerfile_unsupported");
});
