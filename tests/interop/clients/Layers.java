import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Hashtable;
import javax.naming.Context;
import javax.naming.NamingEnumeration;
import javax.naming.directory.SearchControls;
import javax.naming.directory.SearchResult;
import javax.naming.ldap.InitialLdapContext;

/**
 * JNDI binds through one security layer after the other, reads all from an entry down, and compares a long value.
 *
 * <p>Layers URL LONG-DN LENGTH [USER PASSWORD QOP CIPHER BASE]...
 *
 * <p>A line for each bind: how many entries with a description are in BASE, how many characters these have in all,
 * and whether that of LONG-DN compares as LENGTH times `x`, and as one less.
 */
public class Layers {
    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (int at = 3; at < args.length; at += 5) {
            Hashtable<String, Object> env = new Hashtable<>();
            env.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
            env.put(Context.PROVIDER_URL, args[0]);
            env.put("com.sun.jndi.ldap.connect.timeout", "10000");
            env.put("com.sun.jndi.ldap.read.timeout", "10000");
            env.put(Context.SECURITY_AUTHENTICATION, "DIGEST-MD5");
            env.put(Context.SECURITY_PRINCIPAL, args[at]);
            env.put(Context.SECURITY_CREDENTIALS, args[at + 1]);
            env.put("javax.security.sasl.qop", args[at + 2]);
            env.put("com.sun.security.sasl.digest.cipher", args[at + 3]);
            env.put("javax.security.sasl.server.authentication", "true");
            InitialLdapContext ldap = new InitialLdapContext(env, null);
            SearchControls subtree = new SearchControls();
            subtree.setSearchScope(SearchControls.SUBTREE_SCOPE);
            NamingEnumeration<SearchResult> found = ldap.search(args[at + 4], "(description=*)", subtree);
            int entries = 0;
            int characters = 0;
            while (found.hasMore()) {
                entries++;
                characters += ((String) found.next().getAttributes().get("description").get()).length();
            }
            String value = "x".repeat(Integer.parseInt(args[2]));
            boolean same = compares(ldap, args[1], value);
            boolean less = compares(ldap, args[1], value.substring(1));
            out.println(entries + " " + characters + " " + same + " " + less);
            ldap.close();
        }
    }

    /** A search of one entry for one value and no attributes is what JNDI sends a CompareRequest for. */
    private static boolean compares(InitialLdapContext ldap, String dn, String value) throws Exception {
        SearchControls comparing = new SearchControls();
        comparing.setSearchScope(SearchControls.OBJECT_SCOPE);
        comparing.setReturningAttributes(new String[0]);
        return ldap.search(dn, "(description={0})", new Object[] {value}, comparing).hasMore();
    }
}
