import t from "tap";
import { playAll } from "./access-table.ts";

t.setTimeout(170_000);
playAll(t, "Bearer");
