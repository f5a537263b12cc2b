import type { Plan } from "../plan.ts";
import type { Case } from "./case.ts";
import { coldCases } from "./cold.ts";
import { idleCases } from "./idle.ts";
import { throughCases } from "./through.ts";
import { warmCases } from "./warm.ts";

/** In the order of the report. */
export function createCases(plan: Plan): Case[] {
  return [...warmCases(plan), ...coldCases(plan), ...throughCases(plan), ...idleCases(plan)];
}
