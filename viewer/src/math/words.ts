/** Two words beside each other. */

/** A text as what it begins with in common with another, what differs, what it ends with in common. */
export function apart(text: string, other: string): [string, string, string] {
  const least = Math.min(text.length, other.length);
  let start = 0;
  while (start < least && text[start] === other[start]) start++;
  let end = 0;
  while (end < least - start && text[text.length - 1 - end] === other[other.length - 1 - end]) end++;
  return [text.slice(0, start), text.slice(start, text.length - end), text.slice(text.length - end)];
}
