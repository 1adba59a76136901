/** Starts the pages. */

import "./tools/theme.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { startLanguages } from "./data/i18n";
import { recall } from "./data/preferences";
import { queryClient } from "./data/queries";
import { router } from "./pages/router";

document.documentElement.dataset.mantineColorScheme = recall("theme", "dark");
await startLanguages();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
