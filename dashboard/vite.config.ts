import { defineConfig } from "vite";

// During development the pages come from Vite and everything else from a running platform.
const platform = process.env["IOTSPHERE_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0, // a strict content security policy has no data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 250,
  },
  server: {
    proxy: {
      "/api": platform,
      "/socket.io": { target: platform, ws: true },
    },
  },
});
