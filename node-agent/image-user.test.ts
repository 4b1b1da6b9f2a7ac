import assert from "node:assert/strict";
import { test } from "node:test";
import { BadUser, resolveUser } from "./image-user.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken line\napp:x:1000:1001:App:/home/app:/bin/sh\nhuge:x:70000:0::/:\nnohome:x:5:5:::\n";
const GROUP = "root:x:0:\nadm:x:4:app,nohome\napp:x:1001:app\nbig:x:4294967295:app\nwheel:x:10:root,app\n";
const resolve = (spec: string) => resolveUser(spec, PASSWD, GROUP);

test("names, numbers and groups, as Docker resolves them", () => {
  assert.deepEqual(resolve(""), { uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" });
  assert.deepEqual(resolve("app"), { uid: 1000, gid: 1001, additionalGids: [1001, 4, 10], home: "/home/app" });
  assert.deepEqual(resolve("1000"), { uid: 1000, gid: 1001, additionalGids: [1001, 4, 10], home: "/home/app" });
  assert.deepEqual(resolve("app:adm"), { uid: 1000, gid: 4, additionalGids: [4], home: "/home/app" });
  assert.deepEqual(resolve("app:77"), { uid: 1000, gid: 77, additionalGids: [77], home: "/home/app" });
  assert.deepEqual(resolve("1234:5678"), { uid: 1234, gid: 5678, additionalGids: [5678], home: "/" });
  assert.deepEqual(resolve("1234"), { uid: 1234, gid: 0, additionalGids: [0], home: "/" });
  assert.deepEqual(resolve("nohome").home, "/");
  assert.deepEqual(resolve("app:"), resolve("app"));
});

test("without the image's files only numbers are known", () => {
  assert.equal(resolveUser("7", "", "").uid, 7);
  assert.throws(() => resolveUser("app", "", ""), BadUser);
});

test("what is no user of this image", () => {
  for (const spec of ["nobody", "app:nogroup", "65536", "0:65536", "4294967296", "99999999999999999999", "-1", "huge", "app:big", "a:b:c", "../root", "ro\0ot"]) {
    assert.throws(() => resolve(spec), BadUser, spec);
  }
});
