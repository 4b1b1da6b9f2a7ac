import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { constants, createZstdCompress } from "node:zlib";
import { AppError } from "../../core/contract/errors.ts";
import { gzip, RAW_END, rawFile, rawHeader, rawPax, tarOf, zstd, type Entry } from "../../test/support/contexts.ts";
import { CONTEXT_LIMITS, ContextInspector, type ContextFindings, type ContextLimits } from "./context-inspector.ts";

const DOCKERFILE: Entry = ["Dockerfile", "FROM a\n"];

async function inspect(bytes: Buffer, options: { isDockerfile?: boolean; chunkBytes?: number; limits?: Partial<ContextLimits> } = {}): Promise<ContextFindings> {
  const inspector = new ContextInspector({ isDockerfile: options.isDockerfile ?? false, limits: { ...CONTEXT_LIMITS, ...options.limits } });
  const step = options.chunkBytes ?? 64 * 1024;
  for (let at = 0; at < bytes.length; at += step) await inspector.write(bytes.subarray(at, at + step));
  return inspector.end();
}

async function code(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof AppError, String((error as Error).stack));
    return `${error.code}: ${error.message}`;
  }
}

describe("formats", () => {
  test("tar, tar.gz, tar.zst and a bare Dockerfile are known by their bytes", async () => {
    const tar = await tarOf(DOCKERFILE);
    assert.equal((await inspect(tar, { isDockerfile: true })).format, "tar");
    assert.equal((await inspect(gzip(tar))).format, "tar.gz");
    assert.equal((await inspect(zstd(tar))).format, "tar.zst");
    const bare = await inspect(Buffer.from("FROM a\n"), { isDockerfile: true });
    assert.equal(bare.format, "dockerfile");
    assert.deepEqual(bare.dockerfile("Dockerfile"), { path: "Dockerfile", text: "FROM a\n" });
  });

  test("it does not matter how the bytes are cut, packed or ordered, or when files were touched", async () => {
    const tar = await tarOf(DOCKERFILE, { name: "dir", type: "directory" }, ["dir/a", "1".repeat(3000)], { name: "b", type: "symlink", linkname: "dir/a" });
    const { rootDigest } = await inspect(tar);
    for (const chunkBytes of [1, 7, 511, 512, 513]) assert.equal((await inspect(tar, { chunkBytes })).rootDigest, rootDigest);
    assert.equal((await inspect(gzip(tar), { chunkBytes: 3 })).rootDigest, rootDigest);
    const other = await tarOf({ name: "./b", type: "symlink", linkname: "dir/a", mtime: new Date(5), uid: 7 }, ["./dir/a", "1".repeat(3000)], ["./Dockerfile", "FROM a\n"], { name: "./dir/", type: "directory" });
    assert.equal((await inspect(other)).rootDigest, rootDigest);
  });

  test("what is in it, where it lies and what may run changes the digest", async () => {
    const variants: Entry[][] = [
      [DOCKERFILE, ["a", "1"]],
      [DOCKERFILE, ["a", "2"]],
      [DOCKERFILE, ["b", "1"]],
      [DOCKERFILE, { name: "a", mode: 0o755 }],
      [DOCKERFILE, { name: "a" }],
      [DOCKERFILE, { name: "a", type: "symlink", linkname: "x" }],
      [DOCKERFILE, { name: "a", type: "symlink", linkname: "y" }],
    ];
    const digests = await Promise.all(variants.map(async (entries) => (await inspect(await tarOf(...entries))).rootDigest));
    assert.equal(new Set(digests).size, variants.length);
  });

  test("what is no tar is named", async () => {
    assert.match(await code(inspect(Buffer.from("PK\x03\x04 and so on".padEnd(600)))), /^context_not_tar: It is a zip archive/);
    assert.match(await code(inspect(Buffer.from("FROM a\n"))), /^context_not_tar: It is text \(a bare Dockerfile/);
    assert.match(await code(inspect(Buffer.alloc(0))), /^context_not_tar: The body is empty/);
    assert.match(await code(inspect(gzip(Buffer.from("hello ".repeat(200))))), /^context_not_tar: It has a block that is no header/);
    const damaged = gzip(await tarOf(DOCKERFILE));
    damaged[20] = (damaged[20] ?? 0) ^ 0xff;
    assert.match(await code(inspect(damaged)), /^context_not_tar: /);
  });
});

describe("a context that is cut short", () => {
  test("wherever it is cut", async () => {
    const tar = await tarOf(DOCKERFILE, ["a", "1".repeat(2000)]);
    for (const end of [100, 512, 515, 1024, 1536, 2000, 3584, tar.length - 1024]) {
      assert.match(await code(inspect(tar.subarray(0, end))), /^context_truncated: /, `cut at ${end} of ${tar.length}`);
    }
    for (const packed of [gzip(tar), zstd(tar)]) {
      for (const end of [5, 30, packed.length - 1]) assert.match(await code(inspect(packed.subarray(0, end))), /^context_truncated: /, `cut at ${end} of ${packed.length}`);
    }
    assert.match(await code(inspect(gzip(tar.subarray(0, 1536)))), /^context_truncated: /);
  });

  test("what follows the end mark is padding, as GNU tar reads it", async () => {
    const tar = await tarOf(["a", "1"]);
    const hidden = await tarOf(DOCKERFILE);
    const findings = await inspect(Buffer.concat([tar, hidden]));
    assert.equal(findings.rootDigest, (await inspect(tar)).rootDigest);
    assert.match(await code(() => findings.dockerfile("Dockerfile")), /^dockerfile_missing/);
  });
});

describe("a context that reaches outside", () => {
  const bad: [string, Entry[], RegExp][] = [
    ["..", [["../x", "1"]], /«\.\.\/x» has «\.\.»/],
    [".. in the middle", [["a/../../x", "1"]], /has «\.\.»/],
    ["an absolute name", [["/etc/x", "1"]], /has an absolute name/],
    ["a write through an absolute symlink", [{ name: "a", type: "symlink", linkname: "/etc" }, ["a/x", "1"]], /«a\/x» lies below a symlink that leads outside/],
    ["a write through a symlink with ..", [{ name: "d/a", type: "symlink", linkname: "../../etc" }, ["d/a/x", "1"]], /lies below a symlink/],
    ["a write through two symlinks", [{ name: "a", type: "symlink", linkname: "b/.." }, { name: "b", type: "symlink", linkname: ".." }, ["a/x", "1"]], /lies below a symlink/],
    ["a circle", [{ name: "a", type: "symlink", linkname: "b" }, { name: "b", type: "symlink", linkname: "a" }, ["a/x", "1"]], /lies below a symlink/],
    ["a directory over a symlink", [{ name: "a", type: "symlink", linkname: "/etc" }, { name: "a/b", type: "directory" }], /lies below a symlink/],
    ["a hardlink", [{ name: "a", type: "link", linkname: "../x" }], /is a hardlink whose target has «\.\.»/],
    ["an absolute hardlink", [{ name: "a", type: "link", linkname: "/etc/passwd" }], /is a hardlink whose target has an absolute name/],
    ["a hardlink through a symlink", [{ name: "s", type: "symlink", linkname: "/etc" }, { name: "a", type: "link", linkname: "s/passwd" }], /is a hardlink to «s\/passwd»/],
    ["a device", [{ name: "a", type: "character-device" }], /is a device/],
  ];
  for (const [name, entries, expected] of bad) {
    test(name, async () => {
      const answer = await code(inspect(await tarOf(DOCKERFILE, ...entries)));
      assert.match(answer, /^context_escapes: /);
      assert.match(answer, expected);
    });
  }

  test("symlinks themselves may point anywhere, as in Docker", async () => {
    const findings = await inspect(await tarOf(
      DOCKERFILE,
      { name: "venv/python", type: "symlink", linkname: "/usr/bin/python3" },
      { name: "shared", type: "symlink", linkname: "../shared" },
      { name: "real", type: "directory" },
      { name: "dir", type: "symlink", linkname: "./real" },
      ["dir/x", "1"],
      { name: "hard", type: "link", linkname: "dir/x" },
      { name: "gone", type: "symlink", linkname: "/etc" },
      { name: "gone", type: "directory" },
      ["gone/x", "1"],
    ));
    assert.equal(findings.entries, 9);
  });

  test("a name that would write to a terminal is shown harmless", async () => {
    assert.doesNotMatch(await code(inspect(await tarOf(["/\u001b[31mx\n", "1"]))), /\u001b|\n/);
  });
});

describe("the Dockerfile", () => {
  test("is found at its path, at Containerfile, and behind a symlink", async () => {
    assert.equal((await inspect(await tarOf(["./Dockerfile", "FROM b\n"]))).dockerfile("Dockerfile").text, "FROM b\n");
    assert.deepEqual((await inspect(await tarOf(["Containerfile", "FROM c\n"]))).dockerfile("Dockerfile"), { path: "Containerfile", text: "FROM c\n" });
    assert.equal((await inspect(await tarOf(["docker/web.Dockerfile", "FROM d\n"]))).dockerfile("./docker/web.Dockerfile").text, "FROM d\n");
    const linked = await tarOf(["docker/Dockerfile.prod", "FROM e\n"], { name: "Dockerfile", type: "symlink", linkname: "docker/Dockerfile.prod" });
    assert.equal((await inspect(linked)).dockerfile("Dockerfile").text, "FROM e\n");
    const twice = await tarOf(["Dockerfile", "FROM old\n"], ["Dockerfile", "FROM new\n"]);
    assert.equal((await inspect(twice)).dockerfile("Dockerfile").text, "FROM new\n");
  });

  test("its absence is explained", async () => {
    const missing = async (...entries: Entry[]) => {
      const findings = await inspect(await tarOf(...entries));
      return code(() => findings.dockerfile("Dockerfile"));
    };
    assert.match(await missing(["main.py", "x"]), /^dockerfile_missing: The build context has no «Dockerfile»\. Put one at its top/);
    assert.match(await missing(), /^dockerfile_missing: .*It is empty/);
    assert.match(await missing(["x/y.Dockerfile", "FROM a"]), /It has «x\/y\.Dockerfile»: name it/);
    assert.match(await missing({ name: "app/", type: "directory" }, ["app/main.py", "x"]), /All of it lies in «app\/»/);
    assert.match(await missing({ name: "Dockerfile", type: "symlink", linkname: "/etc/passwd" }), /^context_escapes: /);
    assert.match(await missing(["Dockerfile", Buffer.alloc(2 ** 20 + 1, 35)]), /^dockerfile_invalid: .*larger than/);
    assert.match(await code(inspect(Buffer.alloc(2 ** 20 + 1, 35), { isDockerfile: true })), /^dockerfile_invalid: .*larger than/);
  });
});

describe("bounds", () => {
  test("entries, depth, expansion", async () => {
    const many = await tarOf(...Array.from({ length: 11 }, (_, i): Entry => [`f${i}`, "x"]));
    assert.match(await code(inspect(many, { limits: { maxEntries: 10 } })), /^context_too_large: .*more than 10 entries/);
    assert.match(await code(inspect(await tarOf([`${"d/".repeat(200)}x`, "1"]))), /^context_escapes: .*too long a name/);
    const bomb = gzip(Buffer.concat([rawHeader("zeros", { size: 32 * 2 ** 20 }), Buffer.alloc(32 * 2 ** 20), Buffer.alloc(1024)]));
    assert.match(await code(inspect(bomb, { limits: { freeExpandedBytes: 2 ** 20, maxRatio: 100 } })), /^context_too_large: Unpacked/);
    assert.match(await code(inspect(bomb, { limits: { maxExpandedBytes: 2 ** 20 } })), /^context_too_large: Unpacked/);
    assert.equal((await inspect(bomb)).entries, 1);
  });

  test("a zstd window that takes more memory than unpacking may have", async () => {
    const tar = await tarOf(["Dockerfile", "FROM scratch\n"]);
    // In two pieces: of one whole piece the window is no larger than it.
    const packed = async (windowLog: number) => {
      const packer = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } });
      packer.write(tar.subarray(0, 10));
      packer.flush(() => packer.end(tar.subarray(10)));
      return Buffer.concat(await packer.toArray());
    };
    assert.match(await code(inspect(await packed(27))), /^context_not_tar: .*window of more than 16 MiB/);
    assert.equal((await inspect(await packed(23))).entries, 1);
  });

  test("headers that would take memory, and kinds that readers take differently, are refused", async () => {
    const pax = Buffer.concat([rawHeader("x", { type: "x", size: 2 ** 20 }), Buffer.alloc(2 ** 20), Buffer.alloc(1024)]);
    assert.match(await code(inspect(pax)), /^context_not_tar: .*header that is too large/);
    assert.match(await code(inspect(Buffer.concat([rawHeader("s", { type: "S" }), Buffer.alloc(1024)]))), /^context_not_tar: .*sparse/);
    assert.match(await code(inspect(Buffer.concat([rawHeader("s", { type: "Q" }), Buffer.alloc(1024)]))), /^context_not_tar: .*kind that is not known/);
    // 0x82 begins no number of a tar: neither as the first header nor as a later one.
    const junk = Buffer.alloc(1024, 0x82);
    assert.match(await code(inspect(junk)), /^context_not_tar/);
    assert.match(await code(inspect(Buffer.concat([rawHeader("a"), junk]))), /^context_not_tar/);
    const short = Buffer.concat([rawHeader("x", { type: "x", size: 10 }), Buffer.from("99 path=ab".padEnd(512, "\0")), Buffer.alloc(1024)]);
    assert.match(await code(inspect(short)), /^context_not_tar: .*extended header/);
  });

  test("what GNU tar would read as more, or as other files, is refused", async () => {
    const hidden = Buffer.concat([rawFile("../hidden", "x"), RAW_END]);
    // Contents of zeros: an end mark to those who expect none.
    for (const type of ["0", "2", "5", "6"]) {
      const name = type === "0" ? "dir/" : "dir";
      const bytes = Buffer.concat([rawHeader(name, { type, size: 1024 }), Buffer.alloc(1024), hidden]);
      assert.match(await code(inspect(bytes)), /^context_not_tar: .*says that it has contents/, type);
      assert.match(await code(inspect(Buffer.concat([rawPax({ size: "1024" }), rawHeader(name, { type }), Buffer.alloc(1024), hidden]))), /^context_not_tar: .*says that it has contents/, type);
    }
    for (const size of ["0x000000010", "           ", "-0000000001"]) {
      const header = rawHeader("a", { patch: (block) => void block.write(size, 124) });
      assert.match(await code(inspect(Buffer.concat([header, Buffer.alloc(1024), hidden]))), /^context_not_tar: .*size is no number/, size);
    }
    assert.match(await code(inspect(Buffer.concat([rawFile(".", "x"), RAW_END]))), /^context_escapes: .*the context itself/);
  });
});
