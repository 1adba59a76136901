/** Starts the page: its slide first, then everything around it. */

import "./tools/theme.css";
import "./pages/reading.css";
import { recall } from "./data/preferences";
import { begin } from "./scene/first";

document.documentElement.dataset.mantineColorScheme = recall("theme", "dark");
await begin();
await (await import("./pages/start")).start();
