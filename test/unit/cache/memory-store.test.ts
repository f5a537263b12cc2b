import t from "tap";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { storeConformance } from "./store-conformance.ts";

storeConformance(t, async () => new MemoryStore());
