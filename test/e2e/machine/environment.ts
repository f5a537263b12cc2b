/**
 * The environment of a program that a test starts: nothing of the machine's own but PATH, since a developer's proxy
 * or certificate variables would decide the outcome.
 * @param home a directory of the test's, so that no file in a real home directory is read or written
 */
export function ownEnvironment(home: string, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return { PATH: path, HOME: home, LANG: "C.UTF-8", TMPDIR: home, ...extra };
}
