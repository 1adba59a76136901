import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Writes .br and .gz beside every text file once all is written, so that the server never compresses. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    writeBundle({ dir = "" }, bundle) {
      for (const name of Object.keys(bundle).filter((file) => /\.(js|css|svg)$/.test(file))) {
        const data = readFileSync(join(dir, name));
        if (data.length < 1024) continue;
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: data.length };
        writeFileSync(join(dir, `${name}.br`), brotliCompressSync(data, { params }));
        writeFileSync(join(dir, `${name}.gz`), gzipSync(data, { level: 9 }));
      }
    },
  };
}

const server = process.env.LAMELLE_SERVER ?? "http://127.0.0.1:8042";

export default defineConfig({
  plugins: [react(), precompress()],
  html: { cspNonce: "__CSP_NONCE__" },
  build: {
    outDir: "../src/lamelle/doors/web/static",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 900,
    modulePreload: { polyfill: false },
    manifest: "chunks.json",
    rolldownOptions: {
      output: {
        // Few files: what every page needs, what reading needs, what the lists need.
        codeSplitting: {
          groups: [
            { name: "shared", priority: 4, test: /src\/(math|scene\/(first|sketch)|data\/(addresses|channels|first|layer|preferences))\b|preload-helper|rolldown\/runtime/ },
            { name: "scene", priority: 3, test: /src\/scene\/|node_modules\/openseadragon/ },
            { name: "base", priority: 2, test: /node_modules\/(react|react-dom|scheduler|use-sync-external-store|i18next|react-i18next|@tanstack\/(?!.*virtual))/ },
            { name: "common", priority: 1, test: /src\/(data|tools)\/.*\.(tsx?|json)$/ },
          ],
        },
      },
    },
  },
  server: { proxy: { "/api": server, "/dicomweb": server } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
