/** The few icons of the viewer, drawn here so that no icon library loads; always beside a text or a label. */

const PATHS = {
  calendar: "M5 6.500h14V20H5zM5 10.500h14M8.500 4v4M15.500 4v4",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  close: "M6 6l12 12M18 6L6 18",
  info: "M12 11v6M12 7.5v.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  help: "M9.2 9.2a2.8 2.8 0 1 1 4 2.5c-.8.4-1.2 1-1.2 1.8M12 16.8v.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  label: "M4 7.5A1.5 1.5 0 0 1 5.500 6h13A1.5 1.5 0 0 1 20 7.500v9a1.5 1.5 0 0 1-1.500 1.500h-13A1.5 1.5 0 0 1 4 16.500zM7.500 9.500v5M10 9.500v5M13 9.500v5M16.500 9.500v5",
  map: "M4 5h16v14H4zM12.500 11.500H20V19h-7.500z",
  strip: "M4 5h5v14H4zM13 6h7M13 12h7M13 18h7",
  full: "M8 4H4v4M16 4h4v4M8 20H4v-4M16 20h4v-4",
  left: "M5 12a7 7 0 1 0 3-5.700M8.500 2.500L8 6.300l3.800.5",
  right: "M19 12a7 7 0 1 1-3-5.700M15.500 2.500l.5 3.800-3.800.5",
  reset: "M4 11l8-7 8 7M6.500 9.500V20h11V9.500",
  share: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700L12 17",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500L20 20",
  up: "M6 14l6-6 6 6",
  down: "M6 10l6 6 6-6",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  colour: "M12 3.500s6 6.200 6 10.500a6 6 0 0 1-12 0c0-4.300 6-10.500 6-10.500z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.600 5.600L7 7M17 17l1.400 1.400M18.400 5.600L17 7M7 17l-1.400 1.400",
  moon: "M20 14.500A8 8 0 0 1 9.500 4 8 8 0 1 0 20 14.500z",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  stack: "M12 4l8 4-8 4-8-4zM4 12l8 4 8-4M4 16l8 4 8-4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={1.7} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
