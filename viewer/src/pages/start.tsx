/** Starts React: the pages, in the reader's language, with what is known already. */

import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { readFirst } from "../data/first";
import { startLanguages } from "../data/i18n";
import { queryClient, slideQuery, studyQuery } from "../data/queries";
import { sessionQuery } from "../data/session";
import { router } from "./router";

export async function start(): Promise<void> {
  const first = readFirst();
  void queryClient.prefetchQuery(sessionQuery());
  if (first) {
    void import("./SlidePage");
    queryClient.setQueryData(slideQuery(first.uid).queryKey, first);
    void queryClient.prefetchQuery(studyQuery(first.study_uid));
  }
  await startLanguages();
  createRoot(document.getElementById("root")!).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
