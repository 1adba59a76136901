/** The session has ended while something is looked at: sign in again without losing the view. */

import { useTranslation } from "react-i18next";
import type { Session } from "../data/api";
import { queryClient } from "../data/queries";
import { keep } from "../data/session";
import { Dialog } from "../tools/Dialog";
import { SignInForm } from "../tools/SignInForm";

export function SignInAgain({ session, login }: { session: Session; login: string }) {
  const { t } = useTranslation();
  const done = (found: Session) => {
    if (login && found.login !== login) return location.reload(); // what the other person saw must not stay
    keep(found);
    void queryClient.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "session" });
  };
  return (
    <Dialog title={t("signin.ended")} veiled>
      <p className="dim">{t("signin.endedText")}</p>
      <SignInForm session={session} login={login} back={location.pathname + location.search} onDone={done} />
    </Dialog>
  );
}
