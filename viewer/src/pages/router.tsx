/** The addresses of the pages. Data are asked for while the code of a page loads, not after. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from "@tanstack/react-router";
import { queryClient, slideQuery, stackQuery, studyQuery } from "../data/queries";
import { readView, type View } from "../math/view";
import { Trouble } from "../tools/Trouble";

const root = createRootRoute({ component: Outlet, notFoundComponent: () => <Trouble error={null} /> });

export type StudiesSearch = { q?: string; modality?: string; from?: string; to?: string };

const lists = createRoute({ getParentRoute: () => root, id: "lists", component: lazyRouteComponent(() => import("./Lists"), "Lists") });

const studies = createRoute({
  getParentRoute: () => lists,
  path: "/",
  validateSearch: (search: Record<string, unknown>): StudiesSearch => {
    const found: StudiesSearch = {};
    for (const name of ["q", "modality", "from", "to"] as const) {
      if (search[name] !== undefined && search[name] !== "") found[name] = String(search[name]);
    }
    return found;
  },
  component: lazyRouteComponent(() => import("./StudiesPage"), "StudiesPage"),
});

const study = createRoute({
  getParentRoute: () => lists,
  path: "/studies/$study",
  loader: ({ params }) => void queryClient.prefetchQuery(studyQuery(params.study)),
  component: lazyRouteComponent(() => import("./StudyPage"), "StudyPage"),
});

const imports = createRoute({ getParentRoute: () => lists, path: "/imports", component: lazyRouteComponent(() => import("./ImportsPage"), "ImportsPage") });

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

/** Addresses stay plain: a shared view reads ?x=…&y=…&mag=… */
function stringify(search: Record<string, unknown>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) if (value !== undefined && value !== "") found.set(name, String(value));
  const text = found.toString();
  return text ? `?${text}` : "";
}

export const router = createRouter({
  routeTree: root.addChildren([lists.addChildren([studies, study, imports]), slide, stack]),
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

