/** Who runs in a container: an image's USER resolved with the image's own files. Pure. */

export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  home: string;
}

/** The USER cannot be resolved: the text says why. */
export class BadUser extends Error {}

const MAX_ID = 65_535;
const MAX_GROUPS = 64;

interface Passwd {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/**
 * `spec` is `user`, `uid`, `user:group` or `uid:gid`, empty for root; the texts are the image's `/etc/passwd` and
 * `/etc/group`, empty when it has none. As Docker does: a number needs no entry, a name does; supplementary groups
 * come from `/etc/group` when no group is named, and the first group is among them. @throws BadUser
 */
export function resolveUser(spec: string, passwdText: string, groupText: string): ResolvedUser {
  const [userPart = "", groupPart, ...rest] = spec.split(":");
  if (rest.length > 0) throw new BadUser(`USER «${spec}» has more than one colon`);
  const users = parsePasswd(passwdText);
  const groups = parseGroups(groupText);
  const wanted = userPart === "" ? "0" : userPart;
  const number = toId(wanted, "user");
  const user = users.find((entry) => (number === undefined ? entry.name === wanted : entry.uid === number));
  if (number === undefined && !user) throw new BadUser(`USER «${spec}»: the image's /etc/passwd has no user «${wanted}»`);
  const uid = number ?? checkId(user?.uid ?? 0, "user");
  const home = user?.home || "/";
  if (groupPart !== undefined && groupPart !== "") {
    const gid = toId(groupPart, "group") ?? groups.find((group) => group.name === groupPart)?.gid;
    if (gid === undefined) throw new BadUser(`USER «${spec}»: the image's /etc/group has no group «${groupPart}»`);
    return { uid, gid: checkId(gid, "group"), additionalGids: [gid], home };
  }
  const gid = checkId(user?.gid ?? 0, "group");
  const additionalGids = groups.filter((group) => user && group.members.includes(user.name) && group.gid !== gid && group.gid <= MAX_ID).map((group) => group.gid);
  return { uid, gid, additionalGids: [gid, ...additionalGids].slice(0, MAX_GROUPS), home };
}

function toId(text: string, what: string): number | undefined {
  return /^\d+$/.test(text) ? checkId(Number(text), what) : undefined;
}

function checkId(id: number, what: string): number {
  if (!Number.isInteger(id) || id < 0 || id > MAX_ID) throw new BadUser(`the ${what} id ${id} is not between 0 and ${MAX_ID}`);
  return id;
}

function parsePasswd(text: string): Passwd[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid, , home] = line.split(":");
    return name && /^\d+$/.test(uid ?? "") && /^\d+$/.test(gid ?? "") ? [{ name, uid: Number(uid), gid: Number(gid), home: home ?? "" }] : [];
  });
}

function parseGroups(text: string): { name: string; gid: number; members: string[] }[] {
  return text.split("\n").flatMap((line) => {
    const [name, , gid, members] = line.split(":");
    return name && /^\d+$/.test(gid ?? "") ? [{ name, gid: Number(gid), members: (members ?? "").split(",").filter(Boolean) }] : [];
  });
}
