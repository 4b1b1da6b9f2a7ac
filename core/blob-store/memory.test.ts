import { testBlobStore } from "./blob-store.contract.ts";
import { openMemoryBlobStore } from "./memory.ts";

testBlobStore(openMemoryBlobStore);
