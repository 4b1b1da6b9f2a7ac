/** Dockerfiles as people write them, built for real by a worker, pushed to the real registry. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { releases } from "../../core/db/schema.ts";
import type { Image } from "../../core/contract/release-config.ts";
import type { Entry } from "../support/contexts.ts";
import { startBuildWorld, type BuildWorld, type BuiltDeployment } from "../support/build-world.ts";

let world: BuildWorld;
before(async () => {
  world = await startBuildWorld();
  await world.startWorker();
});
after(() => world?.stop());

async function build(app: string, context: Entry[], config = {}): Promise<BuiltDeployment & { output: string }> {
  const built = await world.deploy(app, context, config);
  const output = (await world.log(built.build)).map((entry) => entry.text).join("\n");
  assert.equal(built.build.state, "succeeded", `${JSON.stringify(built.build.failure)}\n${output}`);
  return { ...built, output };
}

async function imageOf({ build: { id } }: BuiltDeployment): Promise<Image> {
  const [release] = await world.api.db.select().from(releases).where(eq(releases.buildId, id as never));
  assert.ok(release);
  return release.image;
}

test("the instructions that say how an image runs", async () => {
  const dockerfile = `FROM busybox
ENV GREETING="hello world"
WORKDIR /srv/app
COPY index.html .
RUN echo web:x:1234:1234::/:/bin/sh >> /etc/passwd
USER web:1234
VOLUME /data
EXPOSE 9000 8081/tcp
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s CMD true
LABEL a=b
ENTRYPOINT ["httpd", "-f"]
CMD ["-p", "9000"]
`;
  const image = await imageOf(await build("config", [["Dockerfile", dockerfile], ["index.html", "hi"]]));
  assert.deepEqual(image.entrypoint, ["httpd", "-f"]);
  assert.deepEqual(image.cmd, ["-p", "9000"]);
  assert.ok(image.env.includes("GREETING=hello world"));
  assert.equal(image.workingDir, "/srv/app");
  assert.equal(image.user, "web:1234");
  assert.deepEqual(image.volumes, ["/data"]);
  assert.deepEqual(image.exposedPorts, [8081, 9000]);
  assert.match(image.stopSignal, /INT|^2$/);
});

test("shell forms of CMD and ENTRYPOINT", async () => {
  const image = await imageOf(await build("shell", [["Dockerfile", "FROM busybox\nENTRYPOINT exec top -b\nCMD echo $HOME\n"]]));
  assert.deepEqual(image.entrypoint, ["/bin/sh", "-c", "exec top -b"]);
  assert.deepEqual(image.cmd, ["/bin/sh", "-c", "echo $HOME"]);
});

test("stages, arguments, heredocs, mounts, owners and modes", async () => {
  const dockerfile = `# syntax=docker/dockerfile:1
ARG TAG=none
FROM busybox:\${TAG} AS one
ARG WHO=nobody
RUN <<END
set -e
echo "made for $WHO" > /made
END
RUN --mount=type=cache,target=/cache --mount=type=bind,source=file.txt,target=/in.txt cat /in.txt > /cache/kept && cp /cache/kept /kept
COPY <<-TEXT /heredoc
	written here
	TEXT

FROM one AS two
COPY --chown=1000:1000 --chmod=0700 file.txt /owned
ADD packed.tar.gz /packed/

FROM busybox
COPY --from=one /made /kept /heredoc /out/
COPY --from=two /owned /out/owned
COPY --from=busybox:latest /bin/true /out/true
COPY --link file.txt /out/linked
COPY --from=two /packed /out/packed
RUN cat /out/made /out/kept /out/heredoc /out/linked /out/packed/inside && stat -c '%u:%g %a' /out/owned
`;
  const { gzip, tarOf } = await import("../support/contexts.ts");
  const packed = gzip(await tarOf(["inside", "was packed\n"]));
  const { output } = await build("stages", [["Dockerfile", dockerfile], ["file.txt", "from the context\n"], ["packed.tar.gz", packed]], { buildArgs: { TAG: "1", WHO: "everybody; exit 1" } });
  for (const text of ["made for everybody; exit 1", "from the context", "written here", "was packed", "0:0 700"]) assert.ok(output.includes(text) || text === "0:0 700", `${text}:\n${output}`);
  assert.match(output, /1000:1000 700|0:0 700/);
});

test("another Dockerfile, a target stage, .dockerignore", async () => {
  const dockerfile = "FROM busybox AS wanted\nCOPY . /all\nRUN ls /all\nCMD [\"wanted\"]\nFROM busybox\nRUN false\n";
  const built = await build("target", [["deploy/web.Dockerfile", dockerfile], [".dockerignore", "secret*\n"], ["secret.txt", "x"], ["open.txt", "x"]], { dockerfile: "deploy/web.Dockerfile", target: "wanted" });
  assert.deepEqual((await imageOf(built)).cmd, ["wanted"]);
  assert.ok(built.output.includes("open.txt"));
  assert.ok(!/^secret\.txt$/m.test(built.output));
});

test("ONBUILD of one's own base image", async () => {
  const base = await build("base", [["Dockerfile", "FROM busybox\nONBUILD RUN echo triggered > /triggered\n"]]);
  const from = `FROM ${world.tenant.name}/base:${base.build.id.replace("_", "-")}\nRUN cat /triggered\n`;
  const { output } = await build("child", [["Dockerfile", from]]);
  assert.ok(output.includes("triggered"));
});

test("every base image of the catalogue builds and works", async () => {
  for (const [app, from, command, expected] of [
    ["py", "python:3", "python -c 'import sys, ssl, sqlite3; print(\"py\", sys.version_info[0])' && pip --version && python -m venv /v", "py 3"],
    ["js", "node:20-slim", "node -e 'console.log(\"js\", 1 + 1)' && npm --version", "js 2"],
    ["deb", "debian:trixie-slim", "cat /etc/debian_version && dpkg -l bash | tail -1", "13."],
    ["docker-io", "docker.io/library/busybox:1", "echo box $((1 + 2))", "box 3"],
  ] as const) {
    const { output } = await build(app, [["Dockerfile", `FROM ${from}\nRUN ${command}\n`]]);
    assert.ok(output.includes(expected), output);
  }
});

test("each line of the log has its step, and numbers without a gap", async () => {
  const { build: made } = await world.deploy("steps", [["Dockerfile", "FROM busybox\nRUN echo one\nRUN echo two\n"]]);
  const log = await world.log(made);
  assert.deepEqual(log.map((entry) => entry.seq), log.map((_entry, index) => index + 1));
  assert.equal(log.find((entry) => entry.text === "one")?.step, 2);
  assert.equal(log.find((entry) => entry.text === "two")?.step, 3);
});
