/**
 * Messages that put elements into sets of the firewall, and take them out. Pure. Numbers and forms from
 * linux/netfilter/nfnetlink.h and nf_tables.h; what they look like, `nft --debug=netlink,mnl` shows.
 */
import { changedElements, type Elements, type SetName } from "./firewall-elements.ts";
import { attribute, chunks, ipv4, NLM_F_ACK, NLM_F_CREATE, request, text, uint32, type Request } from "./netlink.ts";

const [NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END] = [0x10, 0x11];
const NFNL_SUBSYS_NFTABLES = 10;
const [NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM] = [12, 14];
const [AF_UNSPEC, NFPROTO_INET] = [0, 1];
const LIST = { table: 1, set: 2, elements: 3 };
const NFTA_LIST_ELEM = 1;
const ELEMENT = { key: 1, data: 2 };
const NFTA_DATA_VALUE = 1;
const NLA_F_NESTED = 0x8000;

const IFNAMSIZ = 16;
/** An attribute's length has 16 bits. */
const MAX_ELEMENTS = 500;

/** What comes between them is done in one transaction. */
export const beginBatch = () => request("beginning a change of the firewall", NFNL_MSG_BATCH_BEGIN, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
export const endBatch = () => request("ending a change of the firewall", NFNL_MSG_BATCH_END, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));

type Field = "ifname" | "ipv4_addr" | "mark";

/** What the sets hold whose elements are no ranges: each field of a key takes a multiple of four bytes, and a map's value follows. */
const PLAIN: Partial<Record<SetName, { key: Field[]; value?: Field }>> = {
  senders: { key: ["ifname", "ipv4_addr"] },
  tenants: { key: ["ipv4_addr"], value: "mark" },
  members: { key: ["ipv4_addr", "mark"] },
  hosts: { key: ["ipv4_addr"] },
  nodes: { key: ["ipv4_addr"] },
  narrowed: { key: ["ipv4_addr"] },
  limited: { key: ["ipv4_addr"] },
};

/** From what is there to what is wanted; undefined when sets of ranges change, which nft knows how to hold. */
export function elementRequests(table: string, before: Elements, after: Elements): Request[] | undefined {
  const requests: Request[] = [];
  for (const { verb, name, elements } of changedElements(before, after)) {
    const form = PLAIN[name];
    if (form === undefined) return undefined;
    const isNew = verb === "add";
    const [type, flags] = isNew ? [NFT_MSG_NEWSETELEM, NLM_F_CREATE] : [NFT_MSG_DELSETELEM, 0];
    for (const some of chunks(elements, MAX_ELEMENTS)) {
      const list = nested(LIST.elements, ...some.map((element) => elementOf(form, element, isNew)));
      requests.push(request(`changing ${name}`, (NFNL_SUBSYS_NFTABLES << 8) | type, NLM_F_ACK | flags, family(NFPROTO_INET, 0), text(LIST.table, table), text(LIST.set, name), list));
    }
  }
  return requests;
}

/** `element`: as nft writes it, such as `10.1.0.2 . 5` or `10.1.0.2 : 5`. */
function elementOf({ key, value }: { key: Field[]; value?: Field }, element: string, hasValue: boolean): Buffer {
  const [keyText = "", valueText = ""] = element.split(" : ");
  const fields = keyText.split(" . ");
  return nested(
    NFTA_LIST_ELEM,
    nested(ELEMENT.key, attribute(NFTA_DATA_VALUE, ...key.map((field, index) => fieldOf(field, fields[index] ?? "")))),
    ...(value !== undefined && hasValue ? [nested(ELEMENT.data, attribute(NFTA_DATA_VALUE, fieldOf(value, valueText)))] : []),
  );
}

function fieldOf(field: Field, word: string): Buffer {
  if (field === "ipv4_addr") return ipv4(word);
  // Of the host's own order: no part of a packet.
  if (field === "mark") return uint32(Number(word));
  const name = Buffer.alloc(IFNAMSIZ);
  name.write(word.replaceAll('"', ""), "latin1");
  return name;
}

const nested = (type: number, ...parts: Buffer[]) => attribute(type | NLA_F_NESTED, ...parts);

/** struct nfgenmsg: its number is in the network's order. */
function family(number: number, resource: number): Buffer {
  return Buffer.of(number, 0, resource >> 8, resource & 0xff);
}
