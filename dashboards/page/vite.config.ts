import { defineConfig } from "vite";

// Everything is a real file: the page is served with script-src, style-src and worker-src 'self' and nothing inline.
export default defineConfig({
  base: "/",
  build: {
    outDir: "dist",
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
  },
  worker: { format: "es" },
});
