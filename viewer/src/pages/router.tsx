/** The addresses of the pages. Data are asked for while the code of a page loads, not after. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { CASE_FILTERS, type CaseFilters, caseQuery } from "../data/cases";
import { readFirst } from "../data/first";
import type { MessagesAsked } from "../data/messages";
import { qualityQuery } from "../data/quality";
import { queryClient, slideQuery, stackQuery, studyQuery } from "../data/queries";
import { homeOf, isIn, sessionQuery } from "../data/session";
import { readView, type View } from "../math/view";
import { Missing, Trouble } from "../tools/Trouble";
import { needing, Root } from "./Root";

/** Once somebody was in, only the dialog of `Root` asks for the password: a redirect would lose the view. A slide that
 * came with its page shows that its reader is known: nothing has to be asked before it is drawn. */
let entered = readFirst() !== null;

const root = createRootRoute({
  component: Root,
  notFoundComponent: Missing,
  beforeLoad: async ({ location }) => {
    if (entered || location.pathname === "/sign-in") return;
    entered = isIn(await queryClient.ensureQueryData(sessionQuery()));
    if (!entered) throw redirect({ to: "/sign-in", search: { to: location.href }, replace: true });
  },
});

type SignInSearch = { to?: string; error?: string };

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): SignInSearch => ({
    ...(typeof search.to === "string" && { to: search.to }),
    ...(typeof search.error === "string" && { error: search.error }),
  }),
  component: lazyRouteComponent(() => import("./SignInPage"), "SignInPage"),
});

const FOUND_BY: (keyof StudiesSearch)[] = ["q", "modality", "from", "to"];
export type StudiesSearch = { q?: string; modality?: string; from?: string; to?: string };

const lists = createRoute({ getParentRoute: () => root, id: "lists", component: lazyRouteComponent(() => import("./Lists"), "Lists") });

/** Where one begins; an address with a search is of the time when the studies were here. */
const begin = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: (search: Record<string, unknown>): StudiesSearch => texts(search, FOUND_BY),
  beforeLoad: async ({ search }) => {
    const to = Object.keys(search).length ? "/studies" : homeOf(await queryClient.ensureQueryData(sessionQuery()));
    throw redirect({ to, search, replace: true });
  },
});

const studies = createRoute({
  getParentRoute: () => lists,
  path: "/studies",
  validateSearch: (search: Record<string, unknown>): StudiesSearch => texts(search, FOUND_BY),
  component: needing("view", lazyRouteComponent(() => import("./StudiesPage"), "StudiesPage")),
});

const study = createRoute({
  getParentRoute: () => lists,
  path: "/studies/$study",
  loader: ({ params }) => void queryClient.prefetchQuery(studyQuery(params.study)),
  component: lazyRouteComponent(() => import("./StudyPage"), "StudyPage"),
});

const cases = createRoute({
  getParentRoute: () => lists,
  path: "/cases",
  validateSearch: (search: Record<string, unknown>): CaseFilters => texts(search, [...CASE_FILTERS]),
  component: needing("read", lazyRouteComponent(() => import("./CasesPage"), "CasesPage")),
});

const oneCase = createRoute({
  getParentRoute: () => lists,
  path: "/cases/$case",
  loader: ({ params }) => void queryClient.prefetchQuery(caseQuery(Number(params.case))),
  component: needing("read", lazyRouteComponent(() => import("./CasePage"), "CasePage")),
});

const imports = createRoute({ getParentRoute: () => lists, path: "/imports", component: needing("operate", lazyRouteComponent(() => import("./ImportsPage"), "ImportsPage")) });
const account = createRoute({ getParentRoute: () => lists, path: "/account", component: lazyRouteComponent(() => import("./AccountPage"), "AccountPage") });
const people = createRoute({ getParentRoute: () => lists, path: "/people", component: needing("administer", lazyRouteComponent(() => import("./PeoplePage"), "PeoplePage")) });
const places = createRoute({ getParentRoute: () => lists, path: "/places", component: needing("administer", lazyRouteComponent(() => import("./PlacesPage"), "PlacesPage")) });
const roles = createRoute({ getParentRoute: () => lists, path: "/roles", component: lazyRouteComponent(() => import("./RolesPage"), "RolesPage") });
const emergency = createRoute({ getParentRoute: () => lists, path: "/emergency", component: needing("break_glass", lazyRouteComponent(() => import("./EmergencyPage"), "EmergencyPage")) });

export type AuditSearch = { patient_id?: string; study_uid?: string; actor?: string; action?: string; outcome?: string; from?: string; to?: string };

const audit = createRoute({
  getParentRoute: () => lists,
  path: "/audit",
  validateSearch: (search: Record<string, unknown>): AuditSearch => texts(search, ["patient_id", "study_uid", "actor", "action", "outcome", "from", "to"]),
  component: needing("audit", lazyRouteComponent(() => import("./OfficerPage"), "OfficerPage")),
});
const emergencies = createRoute({ getParentRoute: () => lists, path: "/audit/emergencies", component: needing("audit", lazyRouteComponent(() => import("./EmergenciesPage"), "EmergenciesPage")) });
const ledger = createRoute({ getParentRoute: () => lists, path: "/audit/ledger", component: needing("audit", lazyRouteComponent(() => import("./LedgerPage"), "LedgerPage")) });

const desk = createRoute({
  getParentRoute: () => lists,
  path: "/desk",
  validateSearch: (search: Record<string, unknown>): { kind?: string; q?: string } => texts(search, ["kind", "q"]),
  component: needing("schedule", lazyRouteComponent(() => import("./DeskPage"), "DeskPage")),
});
const decisions = createRoute({ getParentRoute: () => lists, path: "/desk/decisions", component: needing("schedule", lazyRouteComponent(() => import("./DecisionsPage"), "DecisionsPage")) });
const merges = createRoute({
  getParentRoute: () => lists,
  path: "/merges",
  validateSearch: (search: Record<string, unknown>): { q?: string } => texts(search, ["q"]),
  component: needing("schedule", lazyRouteComponent(() => import("./MergesPage"), "MergesPage")),
});
const priorities = createRoute({ getParentRoute: () => lists, path: "/priorities", component: needing("read", lazyRouteComponent(() => import("./PrioritiesPage"), "PrioritiesPage")) });
const specialties = createRoute({ getParentRoute: () => lists, path: "/specialties", component: needing("read", lazyRouteComponent(() => import("./SpecialtiesPage"), "SpecialtiesPage")) });
const expected = createRoute({
  getParentRoute: () => lists,
  path: "/expected",
  validateSearch: (search: Record<string, unknown>): { day?: string; show?: string } => texts(search, ["day", "show"]),
  component: needing("schedule", lazyRouteComponent(() => import("./ExpectedPage"), "ExpectedPage")),
});
const quality = createRoute({
  getParentRoute: () => lists,
  path: "/scans/$scan",
  loader: ({ params }) => void queryClient.prefetchQuery(qualityQuery(params.scan)),
  component: needing("view", lazyRouteComponent(() => import("./QualityPage"), "QualityPage")),
});
const thresholds = createRoute({ getParentRoute: () => lists, path: "/thresholds", component: needing("operate", lazyRouteComponent(() => import("./ThresholdsPage"), "ThresholdsPage")) });
const messages = createRoute({
  getParentRoute: () => lists,
  path: "/messages",
  validateSearch: (search: Record<string, unknown>): MessagesAsked => texts(search, ["direction", "state", "peer", "kind", "q", "page"]),
  component: needing("operate", lazyRouteComponent(() => import("./MessagesPage"), "MessagesPage")),
});
const message = createRoute({ getParentRoute: () => lists, path: "/messages/$message", component: needing("operate", lazyRouteComponent(() => import("./MessagePage"), "MessagePage")) });
const flow = createRoute({
  getParentRoute: () => lists,
  path: "/flow",
  validateSearch: (search: Record<string, unknown>): { days?: string; department?: string } => texts(search, ["days", "department"]),
  component: lazyRouteComponent(() => import("./FlowPage"), "FlowPage"),
});

const slide = createRoute({
  getParentRoute: () => root,
  path: "/slides/$series",
  validateSearch: (search: Record<string, unknown>): View => readView(search),
  loader: ({ params }) => void queryClient.prefetchQuery(slideQuery(params.series)),
  component: lazyRouteComponent(() => import("./SlidePage"), "SlidePage"),
});

const stack = createRoute({
  getParentRoute: () => root,
  path: "/stacks/$series",
  loader: ({ params }) => void queryClient.prefetchQuery(stackQuery(params.series)),
  component: lazyRouteComponent(() => import("./StackPage"), "StackPage"),
});

function texts<Name extends string>(search: Record<string, unknown>, names: Name[]): { [name in Name]?: string } {
  const found: { [name in Name]?: string } = {};
  for (const name of names) if (search[name] !== undefined && search[name] !== "") found[name] = String(search[name]);
  return found;
}

/** Addresses stay plain: a shared view reads ?x=…&y=…&mag=… */
function stringify(search: Record<string, unknown>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) if (value !== undefined && value !== "") found.set(name, String(value));
  const text = found.toString();
  return text ? `?${text}` : "";
}

export const router = createRouter({
  routeTree: root.addChildren([signIn, begin, lists.addChildren([cases, oneCase, studies, study, imports, account, people, places, roles, emergency, audit, emergencies, ledger, desk, decisions, expected, quality, thresholds, merges, messages, message, flow, priorities, specialties]), slide, stack]),
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: stringify,
  defaultPreload: "intent",
  defaultErrorComponent: ({ error, reset }) => <Trouble error={error} onRetry={reset} />,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

