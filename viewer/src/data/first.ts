/** The slide the server put into the page of its address, so that its first view asks for nothing but tiles. */

import type { Slide } from "./api";

/** Null on any other page, and when the slide cannot be read: the page then asks, and says why. */
export function readFirst(): Slide | null {
  const found = document.getElementById("first")?.textContent;
  return found ? (JSON.parse(found) as Slide) : null;
}
