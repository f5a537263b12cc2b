import type { Plan } from "../plan.ts";
import type { Case } from "./case.ts";
import { coldCases } from "./cold.ts";
import { hostedCases } from "./hosted.ts";
import { idleCases } from "./idle.ts";
import { imageCases } from "./image.ts";
import { startUpCases } from "./start-up.ts";
import { throughCases } from "./through.ts";
import { warmCases } from "./warm.ts";

/** In the order of the report. */
export function createCases(plan: Plan): Case[] {
  return [
    ...warmCases(plan),
    ...coldCases(plan),
    ...throughCases(plan),
    ...hostedCases(plan),
    ...imageCases(plan),
    ...idleCases(plan),
    ...startUpCases(plan),
  ];
}
